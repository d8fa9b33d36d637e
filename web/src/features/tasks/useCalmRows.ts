/** The rows of a long live table, so that an update costs what is in sight and not what there is. */
import { onScopeDispose, shallowRef, watch } from 'vue'

import type { TableProgress } from '@/shared/api/types'

import { calmRows, type Rows } from './calmRows'

/** Rows out of sight are drawn one part after the other, so that no update is slower than the rest. */
const PARTS = 50
const QUIET_MS = 1000
const NEARLY_IN_SIGHT = '120px'

export function useCalmRows(present: () => readonly TableProgress[]) {
  const rows = shallowRef<Rows>(new Map())
  const elements = new Map<string, Element>()
  const sight = new Map<Element, boolean>()
  let round = 0
  let quiet: ReturnType<typeof setTimeout> | undefined

  // A row nobody has looked for yet counts as in sight: better drawn too often than not at all.
  const inSight = (name: string) => {
    const element = elements.get(name)
    return element === undefined || (sight.get(element) ?? true)
  }
  function draw(turn: (place: number) => boolean): void {
    rows.value = calmRows(rows.value, present(), inSight, turn)
  }
  function update(): void {
    round += 1
    draw((place) => place % PARTS === round % PARTS)
    clearTimeout(quiet)
    quiet = setTimeout(() => { draw(() => true) }, QUIET_MS)
  }
  const observer = 'IntersectionObserver' in window
    ? new IntersectionObserver((entries) => {
      for (const entry of entries) sight.set(entry.target, entry.isIntersecting)
      if (entries.some((entry) => entry.isIntersecting)) draw(() => false)
    }, { rootMargin: NEARLY_IN_SIGHT })
    : null

  /** Called with the element of a row that came, and with null when it leaves. */
  function place(name: string, element: Element | null): void {
    const old = elements.get(name)
    if (old === element) return
    if (old) {
      observer?.unobserve(old)
      sight.delete(old)
      elements.delete(name)
    }
    if (element && observer) {
      elements.set(name, element)
      observer.observe(element)
    }
  }

  watch(present, update, { immediate: true })
  onScopeDispose(() => {
    clearTimeout(quiet)
    observer?.disconnect()
  })
  return { rows, place }
}
