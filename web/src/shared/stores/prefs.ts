/** What this browser's user likes; kept in the browser only. */
import { defineStore } from 'pinia'
import { computed, reactive, watch } from 'vue'

import { writeSizesIn, type Units, type Zone } from '@/shared/lib/format'

export type Theme = 'system' | 'light' | 'dark'
interface Prefs {
  theme: Theme
  zone: Zone
  units: Units
  shortcuts: boolean
  rail: 'wide' | 'narrow'
  welcomed: boolean
  density: 'normal' | 'compact'
  /** Columns that are not shown, by list. */
  hidden: Record<string, string[]>
}

const KEY = 'dtaas.prefs'
const DEFAULTS: Prefs = { theme: 'system', zone: 'local', units: 'si', shortcuts: true, rail: 'wide', welcomed: false, density: 'normal', hidden: {} }

export function readPrefs(text: string | null): Prefs {
  try {
    return { ...DEFAULTS, ...(JSON.parse(text ?? '{}') as Partial<Prefs>) }
  } catch {
    return { ...DEFAULTS }
  }
}

export const usePrefs = defineStore('prefs', () => {
  const prefs = reactive(readPrefs(localStorage.getItem(KEY)))
  const system = matchMedia('(prefers-color-scheme: dark)')
  const seen = reactive({ dark: system.matches })
  system.addEventListener('change', (event) => {
    seen.dark = event.matches
  })
  const dark = computed(() => prefs.theme === 'dark' || (prefs.theme === 'system' && seen.dark))
  watch(prefs, () => { localStorage.setItem(KEY, JSON.stringify(prefs)) })
  watch(dark, (on) => document.documentElement.classList.toggle('dark', on), { immediate: true })
  watch(() => prefs.units, writeSizesIn, { immediate: true })
  watch(() => prefs.density, (now) => document.documentElement.classList.toggle('compact', now === 'compact'), { immediate: true })
  return { prefs, dark }
})
