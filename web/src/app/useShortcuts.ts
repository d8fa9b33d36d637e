/** Keys for those who do not want to reach for the mouse; single keys can be switched off (WCAG 2.1.4). */
import { onMounted, onUnmounted, ref } from 'vue'
import { useRouter } from 'vue-router'

import { usePrefs } from '@/shared/stores/prefs'

const GO: Readonly<Record<string, string>> = { d: '/', c: '/connectors', t: '/tasks', b: '/builder', s: '/settings' }
const SEQUENCE_MS = 1000
/** While one is open, keys belong to it: what is typed before its field has the focus must lead nowhere. */
const DIALOG = "dialog[open], [role='dialog'][aria-modal='true']"

export function useShortcuts() {
  const helpOpen = ref(false)
  const searchOpen = ref(false)
  const router = useRouter()
  const { prefs } = usePrefs()
  let goAt = 0

  function press(event: KeyboardEvent): void {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault()
      searchOpen.value = true
      return
    }
    if (!prefs.shortcuts || event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || dialogOpen()) return
    if (Date.now() - goAt < SEQUENCE_MS) {
      goAt = 0
      const path = GO[event.key]
      if (path) void router.push(path)
      return
    }
    single(event)
  }

  function single(event: KeyboardEvent): void {
    switch (event.key) {
      case 'g': goAt = Date.now(); return
      case 'n': void router.push('/builder'); return
      case '?': helpOpen.value = true; return
      case '/': focusOn('[data-search] input', event); return
      case 'j': moveRow(1); return
      case 'k': moveRow(-1); return
      case ' ': selectRow(event); return
      case '.': openRowMenu(event); return
      case 'Escape': backToRow(event); return
      default: return
    }
  }

  onMounted(() => { window.addEventListener('keydown', press) })
  onUnmounted(() => { window.removeEventListener('keydown', press) })
  return { helpOpen, searchOpen }
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
}

/** A closed dialog may stay in the page, without a place in it. */
function dialogOpen(): boolean {
  return [...document.querySelectorAll(DIALOG)].some((one) => one.getClientRects().length > 0)
}

function focusOn(selector: string, event: KeyboardEvent): void {
  const found = document.querySelector<HTMLElement>(selector)
  if (!found) return
  event.preventDefault()
  found.focus()
}

/** Move the focus over the links that open the rows of a list. */
function moveRow(step: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')]
  const at = rows.indexOf(document.activeElement as HTMLElement)
  rows[Math.min(rows.length - 1, Math.max(0, at + step))]?.focus()
}

/** The row of a list the focus is in: on the link that opens it, or on anything else in it but a control. */
function rowOf(event: KeyboardEvent): HTMLElement | null {
  const target = event.target instanceof HTMLElement ? event.target : null
  const row = target?.closest<HTMLElement>('tr') ?? null
  return row?.querySelector('[data-row]') ? row : null
}

function selectRow(event: KeyboardEvent): void {
  const box = event.target instanceof HTMLElement && event.target.matches('[data-row]') ? rowOf(event)?.querySelector<HTMLInputElement>('input[type="checkbox"]') : null
  if (!box) return // Space scrolls, and presses buttons, as everywhere
  event.preventDefault()
  box.click()
}

/** Open the menu of the row, or go to what can be done with it where it has none. */
function openRowMenu(event: KeyboardEvent): void {
  const row = rowOf(event)
  const menu = row?.querySelector<HTMLElement>('[data-acts] [data-menu]:not(:disabled)')
  if (menu) {
    event.preventDefault()
    menu.click() // it remembers where the focus was
    return
  }
  const first = row?.querySelector<HTMLElement>('[data-acts] button:not(:disabled), [data-acts] a')
  if (!first) return
  event.preventDefault()
  first.focus()
}

function backToRow(event: KeyboardEvent): void {
  if (event.target instanceof HTMLElement && event.target.closest('[data-acts]')) rowOf(event)?.querySelector<HTMLElement>('[data-row]')?.focus()
}
