import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it, vi } from 'vitest'
import { effectScope } from 'vue'

import { useVerifications } from './useVerifications'

const get = vi.hoisted(() => vi.fn())
vi.mock('@/shared/api/client', () => ({ api: { get } }))
const ONE = '/api/tasks/{task_id}/verifications/{verification_id}'

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  return () => { vi.useRealTimers() }
})

it('follows what runs, and asks for nothing more after its page was left', async () => {
  let late: (one: unknown) => void = () => undefined
  get.mockImplementation((path: string) => path === ONE ? new Promise((resolve) => { late = resolve }) : Promise.resolve({ items: [{ id: 1, status: 'running' }], total: 1 }))
  const scope = effectScope()
  const found = scope.run(() => useVerifications(7))
  await found?.list.reload()
  await vi.advanceTimersByTimeAsync(1000)
  expect(get.mock.calls.map(([path]) => String(path))).toContain(ONE)
  const asked = get.mock.calls.length
  scope.stop()
  late({ id: 1, status: 'running' })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(get.mock.calls.length).toBe(asked)
})
