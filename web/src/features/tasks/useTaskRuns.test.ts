import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, it, vi } from 'vitest'
import { effectScope, nextTick } from 'vue'

import type { LiveTask } from '@/shared/api/types'
import { useLive } from '@/shared/live/live.store'

import { useTaskRuns } from './useTaskRuns'

const get = vi.hoisted(() => vi.fn())
vi.mock('@/shared/api/client', () => ({ api: { get } }))

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  get.mockReset()
  get.mockImplementation((path: string) => Promise.resolve(path === '/api/executions/newest'
    ? { tasks: [{ task_id: 1, runs: [{ id: 9, status: 'completed', processed_rows: 1, duration_seconds: 2 }] }] }
    : { starts: [{ task_id: 1, task_name: 'a', at: '2026-01-01T00:00:00Z', local: '' }] }))
  return () => { vi.useRealTimers() }
})

function told(status: string, rows: number): void {
  const live = useLive()
  const task = { id: 1, name: 'a', status, last_run_at: null }
  live.pictures = { ...live.pictures, tasks: new Map([[1, { task, progress: { rows_done: rows } } as unknown as LiveTask]]) }
}

it('asks at once, and then only after a task came, went, began or ended', async () => {
  told('idle', 0)
  const scope = effectScope()
  const found = scope.run(() => useTaskRuns(20))
  await vi.advanceTimersByTimeAsync(0)
  expect(get.mock.calls.map(([path, given]) => [path, (given as { query: unknown }).query])).toEqual([
    ['/api/executions/newest', { count: 20 }], ['/api/schedules/agenda', { count: 1000 }],
  ])
  expect(found?.runs.value.get(1)?.map((run) => run.id)).toEqual([9])
  expect(found?.starts.value.get(1)).toBe('2026-01-01T00:00:00Z')
  told('idle', 5) // progress alone
  await vi.advanceTimersByTimeAsync(60_000)
  expect(get).toHaveBeenCalledTimes(2)
  told('running', 5)
  await nextTick()
  told('idle', 6)
  told('failed', 6)
  await vi.advanceTimersByTimeAsync(15_000)
  expect(get).toHaveBeenCalledTimes(4)
  scope.stop()
  told('running', 6)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(get).toHaveBeenCalledTimes(4)
})
