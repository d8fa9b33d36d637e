import { expect, it } from 'vitest'

import { emptyDraft, type Draft } from './draft'
import { mappingOf, ownOf, partitionsOf, partitionText, patternsOf, withOwn, withRulesSet } from './tableSettings'

const ORDERS = { schema: 'dbo', name: 'orders' }
const draft: Draft = { ...emptyDraft(), source_tables: [ORDERS] }

it('a table says what it says, and nothing once that is taken back', () => {
  const own = withOwn(withOwn(draft, ORDERS, 'chunk_rows', 5000), ORDERS, 'on_gap', 'reload')
  expect(mappingOf(own, ORDERS)).toMatchObject({ chunk_rows: 5000, on_gap: 'reload' })
  expect(ownOf(own, ORDERS)).toEqual(['rows of a chunk', 'a table whose changes are lost'])
  const back = withOwn(withOwn(own, ORDERS, 'chunk_rows', undefined), ORDERS, 'on_gap', undefined)
  expect(back.table_mappings).toEqual([])
})

it('false is said too: a task that keeps history may have a table that does not', () => {
  expect(ownOf(withOwn(draft, ORDERS, 'history', false), ORDERS)).toEqual(['every version of a row is kept'])
})

it('rules that say nothing are not written down', () => {
  const ruled = withRulesSet(withRulesSet(draft, { target: 'raw/{table:snake}', include: ['shop.*'] }), { include: [] })
  expect(ruled.table_rules).toEqual({ target: 'raw/{table:snake}' })
  expect(withRulesSet(ruled, { target: '' }).table_rules).toEqual({})
})

it('patterns and partitions go there and back', () => {
  expect(patternsOf(' a*, ,b,a* ')).toEqual(['a*', 'b'])
  const partitions = partitionsOf('day:year, region')
  expect(partitions).toEqual([{ column: 'day', part: 'year' }, { column: 'region' }])
  expect(partitionText(partitions)).toBe('day:year, region')
  expect(partitionText([{ column: 'region', part: 'value' }])).toBe('region')
})
