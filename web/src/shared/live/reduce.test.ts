import { describe, expect, it } from 'vitest'

import { NO_PICTURES, reduce, type Message, type Pictures } from './reduce'

let seq = 0
function message(topic: string, type: Message['type'], data: unknown): Message {
  seq += 1
  return { v: 1, seq, topic, type, ts: '2026-01-01T00:00:00Z', data }
}
const task = (id: number, name = `t${String(id)}`) => ({ task: { id, name, status: 'running' }, progress: null })
const figures = (id: number, rows: number) => ({ task_id: id, rows_done: rows, rows_s: 5 })
const names = (pictures: Pictures) => [...(pictures.tasks?.values() ?? [])].map((live) => live.task.name)

describe('tasks', () => {
  it('replaces everything by a snapshot', () => {
    const first = reduce(NO_PICTURES, [message('tasks', 'snapshot', { tasks: [task(1), task(2)] })])
    const second = reduce(first, [message('tasks', 'snapshot', { tasks: [task(3)] })])
    expect(names(second)).toEqual(['t3'])
    expect(names(first)).toEqual(['t1', 't2'])
  })

  it('applies changed, removed and progress in their order', () => {
    const start = reduce(NO_PICTURES, [message('tasks', 'snapshot', { tasks: [task(1), task(2)] })])
    const next = reduce(start, [
      message('tasks', 'delta', { changed: [task(3)], removed: [1] }),
      message('tasks', 'delta', { progress: [figures(3, 10), figures(9, 1)] }),
    ])
    expect([...(next.tasks?.keys() ?? [])]).toEqual([2, 3])
    expect(next.tasks?.get(3)?.progress?.rows_done).toBe(10)
  })

  it('swaps the map once for a thousand messages', () => {
    const start = reduce(NO_PICTURES, [message('tasks', 'snapshot', { tasks: [task(1)] })])
    const many = Array.from({ length: 1000 }, (_, at) => message('tasks', 'delta', { progress: [figures(1, at)] }))
    const next = reduce(start, many)
    expect(next.tasks).not.toBe(start.tasks)
    expect(next.tasks?.get(1)?.progress?.rows_done).toBe(999)
    expect(start.tasks?.get(1)?.progress).toBeNull()
  })

  it('leaves the map alone when nothing about tasks was said', () => {
    const start = reduce(NO_PICTURES, [message('tasks', 'snapshot', { tasks: [task(1)] })])
    expect(reduce(start, [message('', 'pong', {}), message('tasks', 'event', {})]).tasks).toBe(start.tasks)
  })
})

it('counts changes of columns, for whoever lists them', () => {
  const once = reduce(NO_PICTURES, [message('tasks', 'event', { schema_change: { id: 1 } }), message('tasks', 'event', { execution: { id: 2 } })])
  expect(once.drifts).toBe(1)
  expect(reduce(once, [message('task:7', 'event', { schema_change: { id: 1 } })]).drifts).toBe(2)
})

describe('one task', () => {
  const row = (name: string, rows: number) => ({ table: { schema: 'dbo', name }, phase: 'loading', rows_done: rows })
  const snapshot = message('task:7', 'snapshot', { task: { id: 7 }, execution: { id: 1 }, progress: null, tables: [row('a', 1), row('b', 2)] })

  it('merges tables by name and keeps what a delta does not name', () => {
    const start = reduce(NO_PICTURES, [snapshot])
    const next = reduce(start, [message('task:7', 'delta', { tables: [row('b', 9)], progress: figures(7, 9) })])
    const picture = next.task.get(7)
    expect([...(picture?.tables.values() ?? [])].map((one) => one.rows_done)).toEqual([1, 9])
    expect(picture?.execution?.id).toBe(1)
    expect(picture?.progress?.rows_done).toBe(9)
  })

  it('takes null figures for none, and no word about them for no change', () => {
    const start = reduce(NO_PICTURES, [snapshot, message('task:7', 'delta', { progress: figures(7, 3) })])
    expect(reduce(start, [message('task:7', 'delta', {})]).task.get(7)?.progress?.rows_done).toBe(3)
    expect(reduce(start, [message('task:7', 'delta', { progress: null })]).task.get(7)?.progress).toBeNull()
  })

  it('forgets a task that is an error, and ignores changes of one it does not know', () => {
    expect(reduce(NO_PICTURES, [message('task:7', 'delta', { removed: true })]).task.size).toBe(0)
    expect(reduce(reduce(NO_PICTURES, [snapshot]), [message('task:7', 'error', {})]).task.has(7)).toBe(false)
  })
})
