import { expect, it } from 'vitest'

import type { TableProgress } from '@/shared/api/types'

import { calmRows } from './calmRows'

function row(name: string, rows: number, more: Partial<TableProgress> = {}): TableProgress {
  return { table: { schema: 'dbo', name }, phase: 'loading', rows_done: rows, ...more }
}
const never = () => false
const first = calmRows(new Map(), [row('a', 1), row('b', 1)], () => false, never)
const onlyA = (name: string) => name === 'dbo.a'

it('draws everything the first time', () => {
  expect([...first.values()].map((one) => one.rows_done)).toEqual([1, 1])
})

it('draws figures of rows in sight, and of those whose turn it is', () => {
  const next = calmRows(first, [row('a', 2), row('b', 2)], onlyA, never)
  expect(next.get('dbo.a')?.rows_done).toBe(2)
  expect(next.get('dbo.b')).toBe(first.get('dbo.b'))
  expect(calmRows(first, [row('b', 2)], onlyA, (place) => place === 0).get('dbo.b')?.rows_done).toBe(2)
})

it.each([{ phase: 'failed' as const }, { error: 'broken' }, { retries: 1 }, { warning: 'late' }])('draws %j at once, in sight or not', (more) => {
  expect(calmRows(first, [row('b', 2, more)], onlyA, never).get('dbo.b')).toMatchObject({ rows_done: 2, ...more })
})

it('forgets rows that are gone', () => {
  expect([...calmRows(first, [row('a', 1)], onlyA, never).keys()]).toEqual(['dbo.a'])
})
