import { effectScope } from 'vue'
import { expect, it, vi } from 'vitest'

import { useLoad } from './useLoad'

/** A server that answers when it is told to. */
function slow() {
  const answers: ((text: string) => void)[] = []
  const read = vi.fn((signal: AbortSignal) => new Promise<string>((resolve, reject) => {
    answers.push(resolve)
    signal.addEventListener('abort', () => { reject(new Error('aborted')) })
  }))
  const scope = effectScope()
  const load = scope.run(() => useLoad(read))
  if (!load) throw new Error('no scope')
  return { answers, read, scope, load }
}

it('takes the newest answer only, and calls no answer it gave up a failure', async () => {
  const { answers, load } = slow()
  const first = load.reload()
  const second = load.reload()
  answers[1]?.('new')
  answers[0]?.('old')
  await Promise.all([first, second])
  expect([load.data.value, load.error.value, load.loading.value]).toEqual(['new', null, false])
})

it('does not break off a slow answer because the clock asks again', async () => {
  const { answers, read, load } = slow()
  const first = load.reload()
  await load.again()
  expect(read).toHaveBeenCalledTimes(1)
  answers[0]?.('slow')
  await first
  expect(load.data.value).toBe('slow')
  void load.again()
  expect(read).toHaveBeenCalledTimes(2)
})

it('neither keeps nor asks for anything after its component left', async () => {
  const { answers, read, scope, load } = slow()
  const first = load.reload()
  scope.stop()
  answers[0]?.('late')
  await first
  await load.reload()
  await load.again()
  expect(read).toHaveBeenCalledTimes(1)
  expect([load.data.value, load.error.value]).toEqual([null, null])
})
