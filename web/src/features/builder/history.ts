/** Undo and redo over immutable drafts. */
import { computed, shallowRef } from 'vue'

const MOST = 50

export function useHistory<T>(initial: T) {
  const present = shallowRef(initial)
  const past = shallowRef<readonly T[]>([])
  const future = shallowRef<readonly T[]>([])
  let last = ''

  /** `merge` joins a change to the last one of its name: typing a word is one step, not one a letter. */
  function change(next: T, merge = ''): void {
    if (JSON.stringify(next) === JSON.stringify(present.value)) return
    if (merge === '' || merge !== last) past.value = [...past.value.slice(1 - MOST), present.value]
    last = merge
    future.value = []
    present.value = next
  }

  function undo(): void {
    const before = past.value.at(-1)
    if (before === undefined) return
    future.value = [present.value, ...future.value]
    past.value = past.value.slice(0, -1)
    present.value = before
    last = ''
  }

  function redo(): void {
    const after = future.value[0]
    if (after === undefined) return
    past.value = [...past.value, present.value]
    future.value = future.value.slice(1)
    present.value = after
    last = ''
  }

  function reset(to: T): void {
    present.value = to
    past.value = []
    future.value = []
    last = ''
  }

  return { present, change, undo, redo, reset, canUndo: computed(() => past.value.length > 0), canRedo: computed(() => future.value.length > 0) }
}
