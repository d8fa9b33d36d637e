/** A preview of rows as a person compares them: what stays, what changes, what goes. Pure. */
import type { Preview, PreviewColumn, PreviewRow, TableRef, TaskSpec } from '@/shared/api/types'

import { keyOf, rulesOf, specOf, type Draft, type Transformation } from './draft'

export type Pick = 'head' | 'random' | 'keys' | 'json'

const OF_SCHEDULE: ReadonlySet<string> = new Set(['schedule', 'schedule_interval_seconds'])

/** The draft as a preview takes it: it may still lack a name and a destination, and a schedule is none of its business. */
export function previewSpec(draft: Draft, steps: readonly Transformation[] = draft.transformations): TaskSpec | null {
  const source = draft.source_connector_id
  const spec = specOf({ ...draft, name: draft.name.trim() || 'preview', destination_connector_id: draft.destination_connector_id ?? source, transformations: [] })
  if (!spec) return null
  const rest = Object.fromEntries(Object.entries(spec).filter(([field]) => !OF_SCHEDULE.has(field))) as unknown as TaskSpec
  return { ...rest, schedule_type: 'manual', transformations: rulesOf(steps) as unknown as NonNullable<TaskSpec['transformations']> }
}

export type ColumnKind = 'same' | 'changed' | 'gone' | 'new'
export interface ShownColumn {
  name: string
  kind: ColumnKind
  before: { at: number; type: string } | null
  after: { at: number; type: string } | null
  inKey: boolean
}

/** Columns in the order of the source, those of the steps behind them. */
export function columnsOf(preview: Compared): ShownColumn[] {
  const after = new Map(preview.after.map((column, at) => [column.name, { at, type: column.type }]))
  const known = new Set(preview.before.map((column) => column.name))
  const first = preview.before.map((column, at): ShownColumn => {
    const to = after.get(column.name) ?? null
    const before = { at, type: column.type }
    return { name: column.name, kind: to ? (differs(preview.rows, before, to) ? 'changed' : 'same') : 'gone', before, after: to, inKey: column.in_key ?? false }
  })
  const made = preview.after.flatMap((column, at): ShownColumn[] => (known.has(column.name) ? [] : [{ name: column.name, kind: 'new', before: null, after: { at, type: column.type }, inKey: column.in_key ?? false }]))
  return [...first, ...made]
}
interface Compared { before: readonly PreviewColumn[]; after: readonly PreviewColumn[]; rows: readonly PreviewRow[] }

function differs(rows: readonly PreviewRow[], before: { at: number; type: string }, after: { at: number; type: string }): boolean {
  return before.type !== after.type || rows.some((row) => row.after && row.after[after.at] !== row.before[before.at])
}

/** Whether a cell of a column that changes did change in this row. */
export function isChanged(row: PreviewRow, column: ShownColumn): boolean {
  if (!column.after || !row.after) return false
  return !column.before || row.after[column.after.at] !== row.before[column.before.at]
}

export function errorsOf(row: PreviewRow, column: string): string {
  return (row.errors ?? []).filter((error) => error.column === column).map((error) => error.reason).join('; ')
}

/** Keys as they are typed: a row a line, its values separated by commas. */
export function keysOf(text: string): string[][] {
  return text.split('\n').map((line) => line.trim()).filter(Boolean).map((line) => line.split(',').map((part) => part.trim()))
}

/** Pasted rows: an array of objects, or an object a line; throws what JSON.parse says of the first mistake. */
export function rowsOf(text: string): Record<string, unknown>[] {
  const trimmed = text.trim()
  if (!trimmed) return []
  const whole = trimmed.startsWith('[') ? (JSON.parse(trimmed) as unknown) : trimmed.split('\n').filter((line) => line.trim()).map((line) => JSON.parse(line) as unknown)
  if (!Array.isArray(whole) || whole.some((row) => typeof row !== 'object' || row === null || Array.isArray(row))) throw new Error('Rows are objects: {"id": 1}, one a line or in a list.')
  return whole as Record<string, unknown>[]
}

/** Which of a task's tables a preview shows: the wanted one while the task has it. */
export function tableOf(draft: Draft, wanted: string): TableRef | null {
  return draft.source_tables.find((one) => keyOf(one) === wanted) ?? draft.source_tables[0] ?? null
}

/** The part of a step's cost in all of them, in percent of the time. */
export function costs(steps: NonNullable<Preview['steps']>): { text: string; rows_s: number; share: number }[] {
  const times = steps.map((step) => (step.rows_s > 0 ? 1 / step.rows_s : 0))
  const sum = times.reduce((all, one) => all + one, 0)
  return steps.map((step, at) => ({ text: step.kind.replaceAll('_', ' '), rows_s: step.rows_s, share: sum ? ((times[at] ?? 0) / sum) * 100 : 0 }))
}
