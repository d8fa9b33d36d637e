import { beforeEach, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import { useImport } from './useImport'

const post = vi.hoisted(() => vi.fn())
vi.mock('@/shared/api/client', () => ({ api: { post } }))
beforeEach(() => { post.mockReset() })
const CREATES = { changes: [{ action: 'create', kind: 'task', name: 'a' }], problems: [], revision: 'r1' }

it('applies what was compared', async () => {
  const file = useImport()
  file.text.value = 'a: 1'
  await nextTick()
  post.mockResolvedValue(CREATES)
  await file.compare()
  expect(file.ready.value).toBe(true)
  await file.apply()
  expect(post.mock.calls[1]?.[2]).toEqual({ headers: { 'If-Match': '"r1"' } })
})

it('does not take a comparison of what is no longer written there', async () => {
  const file = useImport()
  file.text.value = 'a: 1'
  await nextTick()
  let answer: (found: typeof CREATES) => void = () => undefined
  post.mockReturnValue(new Promise((resolve) => { answer = resolve }))
  const comparing = file.compare()
  file.text.value = 'b: 2'
  await nextTick()
  answer(CREATES)
  await comparing
  expect([file.compared.value, file.ready.value]).toEqual([null, false])
})
