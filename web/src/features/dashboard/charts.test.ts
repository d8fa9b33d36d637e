import { expect, it } from 'vitest'

import type { DashboardCharts, LiveTask } from '@/shared/api/types'

import { writeSizesIn } from '@/shared/lib/format'

import { paceOf, tasksAt, throughputOf, timesOf } from './charts'

const zero = { completed: [0, 0], partial: [0, 0], failed: [0, 0], stopped: [0, 0] }
const curve = (task_id: number | null, name: string | null, rows: number[]) => ({ task_id, name, rows_s: rows, mb_s: rows.map((value) => value / 10) })
const CHARTS: DashboardCharts = {
  since: '2026-01-05T12:00:00Z', bucket_s: 30, buckets: 2, lag_s: [null, null], runs: zero,
  throughput: [curve(1, 'a', [5, 6]), curve(2, null, [3, 0]), curve(3, 'a', [2, 1]), curve(4, 'd', [1, 1]), curve(null, null, [9, 9])],
}
function live(id: number, rows_s: number): LiveTask {
  return { task: { id, name: `task ${String(id)}` }, progress: { rows_s, mb_s: 1 } } as unknown as LiveTask
}

it('names curves apart, of deleted and of equally named tasks', () => {
  expect(throughputOf(CHARTS, 'rows_s', []).map(({ name }) => name)).toEqual(['a', 'task 2, deleted', 'a (3)', 'd', 'other tasks'])
})

it('knows of the bucket that goes on now what the page sees', () => {
  const found = throughputOf(CHARTS, 'rows_s', [live(1, 70), live(8, 80), live(9, 90), live(4, 0)])
  expect(found.map(({ values }) => values.at(-1))).toEqual([70, 0, 1, 1, 80, 9])
  expect(found.map(({ name }) => name).slice(4)).toEqual(['task 8', 'other tasks'])
  expect(throughputOf({ ...CHARTS, bucket_s: 60 }, 'mb_s', [live(1, 70)])[0]?.values).toEqual([0.5, 0.6])
})

it('has a place in time for each bucket', () => {
  expect(timesOf(CHARTS).map((ms) => new Date(ms).toISOString())).toEqual(['2026-01-05T12:00:00.000Z', '2026-01-05T12:00:30.000Z'])
  expect(tasksAt(CHARTS, 1).query).toEqual({ since: '2026-01-05T12:00:30.000Z', until: '2026-01-05T12:01:00.000Z' })
})

it('writes how much moves in rows, or in bytes of the units people chose', () => {
  expect([paceOf('rows_s', 12_500), paceOf('mb_s', 0.5), paceOf('mb_s', 1.5)]).toEqual(['12.5 k', '500 kB/s', '1.5 MB/s'])
  writeSizesIn('iec')
  expect(paceOf('mb_s', 1.048576)).toBe('1 MiB/s')
  writeSizesIn('si')
})
