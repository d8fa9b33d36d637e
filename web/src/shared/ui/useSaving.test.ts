import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it, vi } from 'vitest'
import { effectScope, nextTick, ref } from 'vue'

import { ApiError } from '@/shared/api/problem'
import { useToasts } from '@/shared/stores/toasts'

import { useSaving } from './useSaving'

beforeEach(() => { setActivePinia(createPinia()) })

/** A dialog that is open, and a server that answers when it is told to. */
function dialog() {
  const open = ref(true)
  const answers: { resolve: () => void; reject: (error: Error) => void }[] = []
  const work = () => new Promise<void>((resolve, reject) => { answers.push({ resolve, reject }) })
  const scope = effectScope()
  const saving = scope.run(() => useSaving(open))
  if (!saving) throw new Error('no scope')
  return { open, answers, work, scope, saving, refused: vi.fn(), toasts: useToasts() }
}
const NO = new ApiError(409, 'name_taken', 'There is one of that name.')

it('closes what was saved, and tells there why it was refused', async () => {
  const { open, answers, work, saving, refused, toasts } = dialog()
  const first = saving.save(work, refused)
  expect(saving.busy.value).toBe(true)
  answers[0]?.reject(NO)
  expect(await first).toBe(false)
  expect([open.value, saving.busy.value, refused.mock.calls]).toEqual([true, false, [[NO]]])
  const second = saving.save(work, refused)
  answers[1]?.resolve()
  expect(await second).toBe(true)
  expect([open.value, saving.busy.value, toasts.items.length]).toEqual([false, false, 0])
})

it('does not close the dialog of something else that was opened meanwhile', async () => {
  const { open, answers, work, saving, refused } = dialog()
  const first = saving.save(work, refused)
  open.value = false
  open.value = true
  await nextTick()
  const second = saving.save(work, refused)
  answers[0]?.resolve()
  expect(await first).toBe(true)
  expect([open.value, saving.busy.value]).toEqual([true, true])
  answers[1]?.resolve()
  expect(await second).toBe(true)
  expect(open.value).toBe(false)
})

it('puts no mistake of another into it, and swallows none', async () => {
  const { open, answers, work, saving, refused, toasts } = dialog()
  const first = saving.save(work, refused)
  open.value = false
  open.value = true
  answers[0]?.reject(NO)
  expect(await first).toBe(false)
  expect(refused).not.toHaveBeenCalled()
  expect(toasts.items.map((one) => one.text).join()).toContain('There is one of that name.')
})

it('tells of a refusal that comes after its page was left', async () => {
  const { answers, work, saving, scope, refused, toasts } = dialog()
  const first = saving.save(work, refused)
  scope.stop()
  answers[0]?.reject(NO)
  await first
  expect(refused).not.toHaveBeenCalled()
  expect(toasts.items).toHaveLength(1)
})
