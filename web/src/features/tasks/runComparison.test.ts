import { expect, it } from 'vitest'

import type { ExecutionView, TableProgress } from '@/shared/api/types'

import { changeOf, linesOf, pairOf, tablesOf } from './runComparison'

const table = (name: string, rows_done: number, phase: TableProgress['phase'] = 'completed'): TableProgress =>
  ({ table: { schema: 'dbo', name }, phase, rows_done, started_at: '2026-01-01T00:00:00Z', completed_at: '2026-01-01T00:00:12Z' })
const run = (id: number, more: Partial<ExecutionView>): ExecutionView => ({
  id, task_id: 1, execution_type: 'full_load', status: 'completed', total_rows: 10, processed_rows: 10, failed_rows: 0, progress_percent: 100,
  rows_per_second: 5, data_size_mb: 1, started_at: '2026-01-01T00:00:00Z', created_at: '2026-01-01T00:00:00Z', duration_seconds: 2, tables: [], ...more,
})

it('says how much more or less there is, and nothing where that would say nothing', () => {
  expect([changeOf(100, 112), changeOf(100, 97), changeOf(1000, 1001), changeOf(7, 7), changeOf(0, 0)]).toEqual(['+12 %', '−3 %', '+<1 %', 'same', 'same'])
  expect([changeOf(0, 5), changeOf(null, 5), changeOf(5, undefined)]).toEqual(['', '', ''])
})

it('puts the figures of two runs beside each other', () => {
  const lines = linesOf(run(1, {}), run(2, { status: 'failed', duration_seconds: 4, error_message: 'No route.' }))
  const of = (what: string) => lines.find((one) => one.what === what)
  expect(of('Result')).toEqual({ what: 'Result', left: '✓ completed', right: '✕ failed', change: '' })
  expect(of('Took')).toEqual({ what: 'Took', left: '2 s', right: '4 s', change: '+100 %' })
  expect(of('Error')?.right).toBe('No route.')
})

it('has every table of either run, and marks those that are not the same', () => {
  const lines = tablesOf(run(1, { tables: [table('b', 5), table('gone', 1)] }), run(2, { tables: [table('new', 2, 'failed'), table('b', 5)] }))
  expect(lines.map(({ what, left, right, differs }) => [what, left, right, differs])).toEqual([
    ['dbo.b', '✓ done · 5 rows · 12 s', '✓ done · 5 rows · 12 s', false],
    ['dbo.gone', '✓ done · 1 rows · 12 s', 'not in it', true],
    ['dbo.new', 'not in it', '✕ failed · 2 rows · 12 s', true],
  ])
})

it('takes two runs out of an address, the older first', () => {
  expect([pairOf('12,15'), pairOf('15,12')]).toEqual([[12, 15], [12, 15]])
  for (const text of ['', '12', '12,12', '12,x', '1,2,3']) expect(pairOf(text)).toBeNull()
})
