import { beforeEach, expect, it, vi } from 'vitest'
import { effectScope, nextTick, ref } from 'vue'

import { emptyDraft } from './draft'
import { useValidation } from './useValidation'

const post = vi.hoisted(() => vi.fn())
vi.mock('@/shared/api/client', () => ({ api: { post } }))

interface Question { name: string; signal: AbortSignal; answer: (codes: readonly string[]) => void; fail: (error: Error) => void }
let questions: Question[] = []
/** A server that answers when it is told to; even to those who do not wait any more. */
beforeEach(() => {
  vi.useFakeTimers()
  questions = []
  post.mockImplementation((_: string, spec: { name: string }, given: { signal: AbortSignal }) => new Promise((resolve, reject) => {
    questions.push({ name: spec.name, signal: given.signal, answer: (codes) => { resolve({ problems: codes.map((code) => ({ code, detail: code, hint: '', field: '' })) }) }, fail: reject })
  }))
  return () => { vi.useRealTimers() }
})

function checked(name: string) {
  const draft = ref({ ...emptyDraft(), name, source_connector_id: 1, destination_connector_id: 2, source_tables: [{ schema: 'dbo', name: 'a' }] })
  const scope = effectScope()
  const validation = scope.run(() => useValidation(draft, null, () => true))
  if (!validation) throw new Error('no scope')
  const rename = async (text: string) => {
    draft.value = { ...draft.value, name: text }
    await nextTick()
  }
  const codes = () => validation.problems.value.map((one) => one.code)
  return { validation, scope, rename, codes }
}

it('takes no answer about what the draft was before, whether it comes early or late', async () => {
  const { validation, rename, codes } = checked('old')
  await vi.runAllTimersAsync()
  await rename('newer')
  expect(questions[0]?.signal.aborted).toBe(true)
  await vi.runAllTimersAsync()
  questions[0]?.answer(['of_old'])
  await nextTick()
  expect([codes(), validation.busy.value]).toEqual([[], true])
  await rename('newest')
  await vi.runAllTimersAsync()
  questions[2]?.answer(['of_newest'])
  await nextTick()
  questions[1]?.answer(['of_newer'])
  await vi.runAllTimersAsync()
  expect(questions.map((one) => one.name)).toEqual(['old', 'newer', 'newest'])
  expect([codes(), validation.fresh.value, validation.busy.value]).toEqual([['of_newest'], true, false])
})

it('takes the end of a question it gave up for no failure, and an early answer for none to the next', async () => {
  const { validation, rename, codes } = checked('old')
  await vi.runAllTimersAsync()
  await rename('new') // the next question waits until nothing is written any more
  questions[0]?.fail(new Error('aborted'))
  await nextTick()
  expect([validation.failure.value, codes(), validation.fresh.value]).toEqual([null, [], false])
  await vi.runAllTimersAsync()
  questions[0]?.answer(['of_old'])
  await nextTick()
  expect([codes(), validation.busy.value]).toEqual([[], true])
})

it('changes nothing and asks nothing after its page was left', async () => {
  const { validation, scope, codes } = checked('old')
  await vi.runAllTimersAsync()
  scope.stop()
  questions[0]?.answer(['late'])
  await vi.runAllTimersAsync()
  expect([codes(), validation.busy.value, questions.length]).toEqual([[], false, 1])
  expect(questions[0]?.signal.aborted).toBe(true)
})
