import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import { useLive } from './live.store'

const get = vi.hoisted(() => vi.fn())
vi.mock('@/shared/api/client', () => ({ api: { get } }))

class FakeSocket {
  static readonly OPEN = 1
  static all: FakeSocket[] = []
  readyState = 1
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  constructor() { FakeSocket.all.push(this) }
  send(): void { /* nobody listens */ }
  close(): void { this.readyState = 3 }
  tells(name: string): void {
    const task = { id: 1, name }
    this.onmessage?.({ data: JSON.stringify({ v: 1, seq: 1, topic: 'tasks', type: 'snapshot', ts: '', data: { tasks: [{ task, progress: null }] } }) })
  }
}

beforeEach(() => {
  setActivePinia(createPinia())
  FakeSocket.all = []
  vi.stubGlobal('WebSocket', FakeSocket)
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('lets no answer that was asked for while the socket was down replace what the socket says since', async () => {
  let answer: (page: unknown) => void = () => undefined
  get.mockImplementation((path: string) => (path === '/api/tasks' ? new Promise((resolve) => { answer = resolve }) : Promise.resolve({ at: 'then' })))
  const live = useLive()
  live.start()
  FakeSocket.all[0]?.tells('first')
  FakeSocket.all[0]?.onclose?.({ code: 1006 })
  expect(live.state).toBe('lost')
  vi.advanceTimersByTime(10_000)
  expect(get).toHaveBeenCalledTimes(1)
  FakeSocket.all.at(-1)?.tells('newest')
  await vi.advanceTimersByTimeAsync(300)
  expect(live.state).toBe('live')
  answer({ items: [{ id: 1, name: 'old', source_tables: [] }] })
  await vi.advanceTimersByTimeAsync(300)
  expect(live.tasks.map(({ task }) => task.name)).toEqual(['newest'])
  live.stop()
})
