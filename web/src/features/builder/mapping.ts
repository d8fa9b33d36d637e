/** Columns of one table: renamed, cast or left out by steps at the end of its pipeline. Pure. */
import type { TableRef } from '@/shared/api/types'

import { keyOf, withMapping, type Draft, type Transformation } from './draft'
import { finder } from './tableChoice'

export interface ColumnRule {
  to: string
  data_type: string
  on_error: 'fail' | 'null' | 'reject'
  left_out: boolean
}
export type Rules = ReadonlyMap<string, ColumnRule>

const MANAGED = new Set(['rename_column', 'cast_type', 'drop_column'])
const ALL = ['*']

export function plainRule(column: string): ColumnRule {
  return { to: column, data_type: '', on_error: 'fail', left_out: false }
}

/**
 * Places of the steps this editor writes for a table: they speak of this table alone, and no step that could see
 * their columns comes after them.
 */
export function managedAt(steps: readonly Transformation[], table: TableRef): number[] {
  const found: number[] = []
  for (let at = steps.length - 1; at >= 0; at -= 1) {
    const step = steps[at] ?? {}
    const tables = (step['tables'] as string[] | undefined) ?? ALL
    if (!touches(tables, table)) continue
    const own = tables.length === 1 && tables[0]?.toLowerCase() === keyOf(table).toLowerCase()
    if (!own || !MANAGED.has(String(step['type']))) break
    found.unshift(at)
  }
  return found
}

function touches(patterns: readonly string[], table: TableRef): boolean {
  return patterns.some((pattern) => pattern === '*' || /[?[]/.test(pattern) || finder(pattern)(keyOf(table)))
}

/** The steps a table's columns come from: all but those of this editor. */
export function othersOf(steps: readonly Transformation[], table: TableRef): Transformation[] {
  const managed = new Set(managedAt(steps, table))
  return steps.filter((_, at) => !managed.has(at))
}

/** What the steps of this editor say of each column; columns they do not name are not among them. */
export function rulesOfTable(steps: readonly Transformation[], table: TableRef): Map<string, ColumnRule> {
  const rules = new Map<string, ColumnRule>()
  const came = new Map<string, string>()
  const origin = (name: unknown) => came.get(String(name)) ?? String(name)
  const change = (column: string, more: Partial<ColumnRule>) => rules.set(column, { ...(rules.get(column) ?? plainRule(column)), ...more })
  for (const at of managedAt(steps, table)) {
    const step = steps[at] ?? {}
    if (step['type'] === 'drop_column') for (const name of (step['columns'] as string[] | undefined) ?? []) change(origin(name), { left_out: true })
    else if (step['type'] === 'cast_type') change(origin(step['column']), { data_type: String(step['data_type'] ?? ''), on_error: (step['on_error'] as ColumnRule['on_error'] | undefined) ?? 'fail' })
    else {
      const first = origin(step['column'])
      came.set(String(step['to']), first)
      change(first, { to: String(step['to']) })
    }
  }
  return rules
}

/** The draft with these rules for a table, whatever it said of its columns before. */
export function withRules(draft: Draft, table: TableRef, rules: Rules): Draft {
  const tables = [keyOf(table)]
  return { ...draft, transformations: [...othersOf(draft.transformations, table), ...stepsFor(rules).map((step) => ({ ...step, tables }))] }
}

/** The rules of one table for all tables of the task, where they have the columns. */
export function forAllTables(draft: Draft, table: TableRef): Draft {
  const steps = stepsFor(rulesOfTable(draft.transformations, table)).map((step) => ({ ...step, skip_missing: true }))
  let rest = draft.transformations
  for (const one of draft.source_tables) rest = othersOf(rest, one)
  return { ...draft, transformations: [...rest, ...steps] }
}

function stepsFor(rules: Rules): Transformation[] {
  const entries = [...rules]
  const dropped = entries.filter(([, rule]) => rule.left_out).map(([column]) => column)
  const kept = entries.filter(([, rule]) => !rule.left_out)
  const casts = kept.filter(([, rule]) => rule.data_type.trim()).map(([column, rule]): Transformation => ({ type: 'cast_type', column, data_type: rule.data_type.trim(), ...(rule.on_error === 'fail' ? {} : { on_error: rule.on_error }) }))
  return [...(dropped.length ? [{ type: 'drop_column', columns: dropped }] : []), ...casts, ...renames(kept)]
}

/** A name that another column still has waits until that one has its own new name; names that swap go over a third. */
function renames(kept: readonly [string, ColumnRule][]): Transformation[] {
  const waiting = new Map(kept.filter(([column, rule]) => rule.to.trim() && rule.to.trim() !== column).map(([column, rule]) => [column, rule.to.trim()]))
  const steps: Transformation[] = []
  while (waiting.size) {
    const free = [...waiting].find(([, to]) => !waiting.has(to))
    const [column, to] = free ?? [...waiting][0] ?? ['', '']
    waiting.delete(column)
    if (free) steps.push({ type: 'rename_column', column, to })
    else {
      const third = `${column}__moved`
      steps.push({ type: 'rename_column', column, to: third })
      waiting.set(third, to)
    }
  }
  return steps
}

/** `OrderKey` and `order key` as `order_key`. */
export function snake(name: string): string {
  const words = name.replace(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '_').replace(/\W+/g, '_')
  return words.replace(/^_+|_+$/g, '').toLowerCase() || name
}

/** Two columns that would have one name. */
export function clashes(columns: readonly string[], rules: Rules): ReadonlySet<string> {
  const seen = new Map<string, number>()
  const names = columns.filter((column) => !rules.get(column)?.left_out).map((column) => (rules.get(column)?.to ?? column).toLowerCase())
  for (const name of names) seen.set(name, (seen.get(name) ?? 0) + 1)
  return new Set(columns.filter((column) => !rules.get(column)?.left_out && (seen.get((rules.get(column)?.to ?? column).toLowerCase()) ?? 0) > 1))
}

/** Name the columns that tell rows apart; none leaves the table's own key. */
export function withKey(draft: Draft, table: TableRef, key: readonly string[]): Draft {
  return withMapping(draft, table, { key: [...key] })
}
