/** What is chosen in a list: ids, never a filter. It outlives a reload of the page, and ends when the list is left. */
import { onScopeDispose, shallowRef, watch, type ShallowRef } from 'vue'

export interface Selection {
  chosen: ShallowRef<ReadonlySet<number>>
  toggle: (id: number) => void
  /** Choose all of these, or none when all of them are chosen already. */
  toggleAll: (ids: readonly number[]) => void
  clear: () => void
}

export function useSelection(list: string): Selection {
  const key = `dtaas.chosen.${list}`
  const chosen = shallowRef(readIds(sessionStorage.getItem(key)))
  watch(chosen, (now) => {
    if (now.size) sessionStorage.setItem(key, JSON.stringify([...now]))
    else sessionStorage.removeItem(key)
  })
  onScopeDispose(() => { sessionStorage.removeItem(key) })

  function toggle(id: number): void {
    const next = new Set(chosen.value)
    if (!next.delete(id)) next.add(id)
    chosen.value = next
  }
  function toggleAll(ids: readonly number[]): void {
    chosen.value = ids.every((id) => chosen.value.has(id)) ? new Set() : new Set(ids)
  }
  return { chosen, toggle, toggleAll, clear: () => { chosen.value = new Set() } }
}

export function readIds(text: string | null): ReadonlySet<number> {
  try {
    const found: unknown = JSON.parse(text ?? '[]')
    return new Set(Array.isArray(found) ? found.filter((one): one is number => typeof one === 'number') : [])
  } catch {
    return new Set()
  }
}
