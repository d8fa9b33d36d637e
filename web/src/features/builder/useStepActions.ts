/** Several steps at once: chosen, copied, pasted, removed, by buttons and by the keys everybody knows. */
import { computed, onBeforeUnmount, onMounted, shallowRef, type Ref } from 'vue'

import type { Draft, Transformation } from './draft'
import { stepsAmong, stepsIn, textOf, withoutSteps, withSteps } from './stepActions'

/** What was copied last, for the button: a browser may keep its own clipboard closed. */
const copied = shallowRef<readonly Transformation[]>([])

export function useStepActions(draft: Ref<Draft>, chosen: Ref<string>) {
  const picked = shallowRef<ReadonlySet<string>>(new Set())
  const steps = computed(() => stepsAmong(picked.value.size ? picked.value : [chosen.value]))

  function pick(id: string, on: boolean): void {
    const next = new Set(picked.value)
    if (on) next.add(id)
    else next.delete(id)
    picked.value = next
  }
  function insert(what: readonly Transformation[], before: number): void {
    if (!what.length) return
    draft.value = withSteps(draft.value, what, before)
    chosen.value = `transform-${String(before)}`
    picked.value = new Set(what.map((_, at) => `transform-${String(before + at)}`))
  }
  function remove(at: readonly number[]): void {
    if (!at.length) return
    picked.value = new Set()
    draft.value = withoutSteps(draft.value, at)
  }
  /** Where something new goes: behind what is chosen. */
  function place(): number {
    return (steps.value.at(-1) ?? draft.value.transformations.length - 1) + 1
  }
  function copy(): void {
    copied.value = stepsIn(textOf(draft.value, steps.value))
  }
  function paste(): void {
    insert(copied.value, place())
  }

  function elsewhere(event: Event): boolean {
    return (event.target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) || String(getSelection()) !== ''
  }
  function onCopy(event: ClipboardEvent): void {
    if (elsewhere(event) || !steps.value.length) return
    copy()
    event.clipboardData?.setData('text/plain', textOf(draft.value, steps.value))
    event.preventDefault()
  }
  function onPaste(event: ClipboardEvent): void {
    const found = elsewhere(event) ? [] : stepsIn(event.clipboardData?.getData('text/plain') ?? '')
    if (!found.length) return
    event.preventDefault()
    insert(found, place())
  }
  onMounted(() => { document.addEventListener('copy', onCopy); document.addEventListener('paste', onPaste) })
  onBeforeUnmount(() => { document.removeEventListener('copy', onCopy); document.removeEventListener('paste', onPaste) })

  return { picked, steps, copied, pick, insert, remove, copy, paste }
}
