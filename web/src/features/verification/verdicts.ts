/** What a verification says, in the words and the order a person needs. Pure. */
import type { KeyDifference, TableVerification, Verdict, Verification } from '@/shared/api/types'
import { tableName } from '@/shared/lib/format'
import { VERIFICATION_LOOKS, type Look } from '@/shared/lib/states'

const WORST_FIRST: readonly Verdict[] = ['different', 'failed', 'unsettled', 'running', 'waiting', 'equal']

export interface RepairPlan {
  byKey: string[]
  anew: string[]
}

export function isOpen(one: Verification): boolean {
  return one.status === 'queued' || one.status === 'running'
}

export function verdictOf(table: TableVerification): Verdict {
  return table.verdict ?? 'waiting'
}

export function tally(tables: readonly TableVerification[]): Readonly<Record<Verdict, number>> {
  const found = { waiting: 0, running: 0, equal: 0, different: 0, unsettled: 0, failed: 0 }
  for (const table of tables) found[verdictOf(table)] += 1
  return found
}

/** The verdict on the whole; nothing is called equal that was not compared. */
export function lookOf(one: Verification): Look {
  if (one.status !== 'completed') return VERIFICATION_LOOKS[one.status]
  if (one.verified) return { icon: '✓', text: 'proved equal', tone: 'good' }
  const { different, failed, unsettled } = tally(one.tables)
  const parts = [
    different ? `${String(different)} different` : '',
    failed ? `${String(failed)} not compared` : '',
    unsettled ? `${String(unsettled)} unsettled` : '',
  ].filter(Boolean)
  return { icon: different || failed ? '✕' : '▲', text: parts.join(', '), tone: different || failed ? 'bad' : 'warn' }
}

/** Tables that need a person first, each kind by name. */
export function worstFirst(tables: readonly TableVerification[]): TableVerification[] {
  return [...tables].sort((a, b) =>
    WORST_FIRST.indexOf(verdictOf(a)) - WORST_FIRST.indexOf(verdictOf(b)) || tableName(a.table).localeCompare(tableName(b.table)))
}

export function keyText(key: KeyDifference['key']): string {
  return Object.entries(key).map(([column, value]) => `${column} = ${value ?? 'null'}`).join(', ')
}

/** Whether every wrong row of a table is known by its key: only then single rows can be mended. */
export function rowsAreKnown(table: TableVerification): boolean {
  const keys = table.keys ?? []
  return keys.length > 0 && table.different_rows === keys.length && !keys.some((one) => one.difference === 'doubled')
}

/** What a repair would do; only a task that streams can write single rows. */
export function repairPlan(one: Verification, streams: boolean): RepairPlan {
  const wrong = one.status === 'completed' ? one.tables.filter((table) => verdictOf(table) === 'different') : []
  const byKey = wrong.filter((table) => streams && rowsAreKnown(table))
  return {
    byKey: byKey.map((table) => `${tableName(table.table)}: ${String(table.different_rows ?? 0)} rows are read again by key and written with the next changes`),
    anew: wrong.filter((table) => !byKey.includes(table)).map((table) => `${tableName(table.table)}: the whole table is loaded anew`),
  }
}
