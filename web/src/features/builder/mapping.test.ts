import { describe, expect, it } from 'vitest'

import { emptyDraft, type Draft, type Transformation } from './draft'
import { clashes, forAllTables, managedAt, othersOf, plainRule, rulesOfTable, snake, withKey, withRules, type ColumnRule } from './mapping'

const ORDERS = { schema: 'dbo', name: 'orders' }
const LINES = { schema: 'dbo', name: 'lines' }
const OWN = ['dbo.orders']
const FILTER = { type: 'filter_rows', condition: 'a > 1' }
const RENAME = { type: 'rename_column', column: 'a', to: 'b', tables: OWN }

function draft(transformations: Transformation[]): Draft {
  return { ...emptyDraft(), source_tables: [ORDERS, LINES], transformations }
}
function rule(column: string, more: Partial<ColumnRule>): [string, ColumnRule] {
  return [column, { ...plainRule(column), ...more }]
}

describe('steps of the column editor', () => {
  it('are those of the table alone that nothing comes after', () => {
    expect(managedAt([FILTER, RENAME], ORDERS)).toEqual([1])
    expect(managedAt([RENAME, FILTER], ORDERS)).toEqual([])
    expect(managedAt([RENAME, { ...FILTER, tables: ['dbo.lines'] }], ORDERS)).toEqual([0])
    expect(managedAt([RENAME, { ...FILTER, tables: ['dbo.*'] }], ORDERS)).toEqual([])
    expect(managedAt([RENAME, { ...FILTER, tables: ['dbo.order?'] }], ORDERS)).toEqual([])
    expect(managedAt([{ ...RENAME, tables: ['dbo.*'] }], ORDERS)).toEqual([])
  })

  it('come back as they were written', () => {
    const rules = new Map([rule('a', { to: 'b', data_type: 'decimal(9,2)', on_error: 'reject' }), rule('x', { left_out: true }), rule('n', { data_type: 'bigint' })])
    const written = withRules(draft([FILTER]), ORDERS, rules)
    expect(written.transformations).toEqual([
      FILTER, { type: 'drop_column', columns: ['x'], tables: OWN }, { type: 'cast_type', column: 'a', data_type: 'decimal(9,2)', on_error: 'reject', tables: OWN },
      { type: 'cast_type', column: 'n', data_type: 'bigint', tables: OWN }, RENAME,
    ])
    expect(rulesOfTable(written.transformations, ORDERS)).toEqual(rules)
    expect(rulesOfTable(written.transformations, LINES)).toEqual(new Map())
    expect(withRules(written, ORDERS, rules)).toEqual(written)
    expect(withRules(written, ORDERS, new Map()).transformations).toEqual([FILTER])
  })

  it('rename in an order that works, also where two names swap', () => {
    const chain = withRules(draft([]), ORDERS, new Map([rule('a', { to: 'b' }), rule('b', { to: 'c' })])).transformations
    expect(chain.map((step) => step['column'])).toEqual(['b', 'a'])
    const swapped = new Map([rule('a', { to: 'b' }), rule('b', { to: 'a' })])
    const steps = withRules(draft([]), ORDERS, swapped).transformations
    const names = new Map([['a', 'a'], ['b', 'b']])
    for (const step of steps) {
      expect([...names.keys()]).not.toContain(step['to'])
      names.set(String(step['to']), names.get(String(step['column'])) ?? '')
      names.delete(String(step['column']))
    }
    expect(Object.fromEntries(names)).toEqual({ b: 'a', a: 'b' })
    expect(rulesOfTable(steps, ORDERS)).toEqual(swapped)
  })

  it('become steps for all tables that have the columns', () => {
    const one = withRules(draft([FILTER]), LINES, new Map([rule('q', { to: 'r' })]))
    const all = forAllTables(withRules(one, ORDERS, new Map([rule('a', { to: 'b' })])), ORDERS)
    expect(all.transformations).toEqual([FILTER, { type: 'rename_column', column: 'a', to: 'b', skip_missing: true }])
    expect(othersOf(all.transformations, ORDERS)).toEqual(all.transformations)
  })
})

it.each([['OrderKey', 'order_key'], ['HTTPStatus', 'http_status'], ['order key', 'order_key'], ['o_id', 'o_id'], ['Año1', 'a_o1']])('%s in words is %s', (name, words) => {
  expect(snake(name)).toBe(words)
})

it('finds two columns of one name, whatever the case, and not those left out', () => {
  const rules = new Map([rule('a', { to: 'B' })])
  expect(clashes(['a', 'b', 'c'], rules)).toEqual(new Set(['a', 'b']))
  expect(clashes(['a', 'b'], new Map([...rules, rule('b', { left_out: true })]))).toEqual(new Set())
})

it('keeps the key beside what else is said of the table, and forgets an empty one', () => {
  const keyed = withKey(draft([]), ORDERS, ['a', 'b'])
  expect(keyed.table_mappings).toEqual([{ source: ORDERS, key: ['a', 'b'] }])
  expect(withKey(keyed, ORDERS, []).table_mappings).toEqual([])
})
