import { describe, expect, it } from 'vitest'

import type { TableVerification, Verification } from '@/shared/api/types'

import { isOpen, keyText, lookOf, repairPlan, worstFirst } from './verdicts'

function table(name: string, more: Partial<TableVerification> = {}): TableVerification {
  return { table: { schema: 'dbo', name }, ...more }
}
function verification(tables: TableVerification[], more: Partial<Verification> = {}): Verification {
  return { id: 1, verification_id: 1, task_id: 1, status: 'completed', created_at: '2026-01-01T00:00:00Z', tables, verified: false, ...more }
}
const KEY = { key: { id: '7' }, difference: 'missing' as const }

describe('lookOf', () => {
  it('is what is known while it runs', () => {
    expect(lookOf(verification([], { status: 'running' })).text).toBe('comparing')
    expect(isOpen(verification([], { status: 'queued' }))).toBe(true)
    expect(isOpen(verification([], { status: 'failed' }))).toBe(false)
  })
  it('calls only what the server proved equal', () => {
    expect(lookOf(verification([table('a', { verdict: 'equal' })], { verified: true }))).toMatchObject({ text: 'proved equal', tone: 'good' })
    expect(lookOf(verification([table('a', { verdict: 'unsettled' })]))).toMatchObject({ text: '1 unsettled', tone: 'warn' })
    expect(lookOf(verification([table('a', { verdict: 'different' }), table('b', { verdict: 'failed' }), table('c', { verdict: 'different' })])))
      .toMatchObject({ text: '2 different, 1 not compared', tone: 'bad' })
  })
})

it('puts what needs a person first', () => {
  const all = [table('e', { verdict: 'equal' }), table('u', { verdict: 'unsettled' }), table('z', { verdict: 'different' }), table('d', { verdict: 'different' }), table('w')]
  expect(worstFirst(all).map((one) => one.table.name)).toEqual(['d', 'z', 'u', 'w', 'e'])
})

it('writes keys with their columns, null too', () => {
  expect(keyText({ id: '7', lang: null })).toBe('id = 7, lang = null')
})

describe('repairPlan', () => {
  const known = table('known', { verdict: 'different', keys: [KEY], different_rows: 1 })
  it('mends single rows of a stream whose keys are all known', () => {
    const plan = repairPlan(verification([known, table('fine', { verdict: 'equal' })]), true)
    expect(plan.byKey).toHaveLength(1)
    expect(plan.anew).toEqual([])
  })
  it.each([
    ['without a stream', known, false],
    ['when more rows differ than keys are told of', table('more', { verdict: 'different', keys: [KEY], different_rows: 2 }), true],
    ['when rows are doubled', table('twice', { verdict: 'different', keys: [{ ...KEY, difference: 'doubled' as const }], different_rows: 1 }), true],
    ['when rows cannot be told apart', table('keyless', { verdict: 'different' }), true],
  ])('loads the table anew %s', (_, wrong, streams) => {
    const plan = repairPlan(verification([wrong]), streams)
    expect(plan.byKey).toEqual([])
    expect(plan.anew).toHaveLength(1)
  })
  it('has nothing to do before the end', () => {
    expect(repairPlan(verification([known], { status: 'running' }), true)).toEqual({ byKey: [], anew: [] })
  })
})
