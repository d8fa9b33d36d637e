import { expect, it } from 'vitest'

import type { ColumnView, SchemaChange } from '@/shared/api/types'

import { changeText, columnLines, columnText, decisionsFor, decisionText } from './drift'

const OLD: ColumnView = { name: 'n', type: { type: 'decimal', precision: 9, scale: 2 }, nullable: false }
const NEW: ColumnView = { name: 'm', type: { type: 'integer', bits: 64 }, nullable: true, native_type: 'bigint' }
const ORDERS = { schema: 'dbo', name: 'orders' }

it('writes columns as the source declares them', () => {
  expect(columnText(OLD)).toBe('decimal(9,2) not null')
  expect(columnText(NEW)).toBe('bigint')
  expect(columnLines([OLD, NEW])).toBe('n decimal(9,2) not null\nm bigint')
})

it.each([
  ['column_added', 'Column m was added'], ['column_dropped', 'Column m was dropped'], ['column_renamed', 'Column n is now called m'], ['type_changed', 'Column m has another type'],
  ['nullability_changed', 'Column m may be NULL now'], ['key_changed', 'The key is another'], ['table_dropped', 'Table dbo.orders is gone'], ['index_moved', 'index moved'],
])('%s: %s', (kind, text) => {
  expect(changeText({ kind: kind as SchemaChange['kind'], column: 'm', before: OLD, after: NEW, table: ORDERS })).toBe(text)
})

it('says what a decision does', () => {
  const one = { ddl: ['ALTER TABLE t ADD m bigint;'] } as unknown as SchemaChange
  expect(decisionText('approve', one)).toContain('ALTER TABLE t ADD m bigint;')
  expect(decisionText('ignore', one)).toContain('without it')
  expect(decisionText('reject', one)).toContain('stands still')
})

it('asks about what holds a table, and about columns that are left out', () => {
  const asked = (state: SchemaChange['state'], kind: SchemaChange['kind'], closed = false) => decisionsFor({ state, kind, closed }).map(([decision]) => decision)
  expect(asked('pending', 'type_changed')).toEqual(['approve', 'ignore', 'reject'])
  expect(asked('ignored', 'column_added')).toEqual(['approve'])
  expect(asked('ignored', 'column_dropped')).toEqual([])
  expect(asked('ignored', 'column_added', true)).toEqual([])
  expect(asked('applied', 'column_added')).toEqual([])
})
