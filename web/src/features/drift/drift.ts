/** Changes of source tables in words. Pure. */
import type { ColumnView, SchemaChange } from '@/shared/api/types'
import { tableName } from '@/shared/lib/format'
import type { Look } from '@/shared/lib/states'

export type ChangeState = SchemaChange['state']
export type Decision = 'approve' | 'reject' | 'ignore'

export const STATE_LOOKS: Readonly<Record<ChangeState, Look>> = {
  applied: { icon: '✓', text: 'applied', tone: 'good' },
  ignored: { icon: '–', text: 'ignored', tone: 'quiet' },
  pending: { icon: '◔', text: 'waits for a decision', tone: 'warn' },
  rejected: { icon: '✕', text: 'refused', tone: 'bad' },
  failed: { icon: '✕', text: 'failed', tone: 'bad' },
}
/** A table stands still because of these; somebody may still decide. */
export const HOLDS: ReadonlySet<string> = new Set(['pending', 'rejected', 'failed'])
/** What can be decided about a change, the likeliest first: a column that is ignored can still be taken in. */
export function decisionsFor(one: Pick<SchemaChange, 'state' | 'kind' | 'closed'>): readonly [Decision, string][] {
  if (HOLDS.has(one.state)) return [['approve', 'Approve'], ['ignore', 'Go on without it'], ['reject', 'Refuse']]
  const ignored = one.state === 'ignored' && !one.closed && (one.kind === 'column_added' || one.kind === 'column_renamed')
  return ignored ? [['approve', 'Take the column in']] : []
}
export const POLICY_NAMES: Readonly<Record<string, string>> = {
  evolve: 'the target follows',
  add_columns_only: 'only new columns are taken',
  ignore: 'new columns are left out',
  pause: 'the task pauses',
  fail: 'the table stops',
}
export const DETECTED: Readonly<Record<string, string>> = { start: 'at a start', ddl_history: 'in the DDL history of the source', poll: 'by looking at the source' }

/** A column as the source declares it: `decimal(18,4) not null`. */
export function columnText(column: ColumnView): string {
  const { type, ...rest } = column.type
  const details = Object.values(rest).filter((value) => typeof value === 'number')
  const declared = column.native_type?.trim() ? column.native_type : `${type}${details.length ? `(${details.join(',')})` : ''}`
  return `${declared}${column.nullable ? '' : ' not null'}`
}

type Told = Pick<SchemaChange, 'kind' | 'column' | 'before' | 'after' | 'table'>
const SENTENCES: Readonly<Record<string, (one: Told, column: string) => string>> = {
  column_added: (_, column) => `Column ${column} was added`,
  column_dropped: (_, column) => `Column ${column} was dropped`,
  column_renamed: (one, column) => `Column ${one.before?.name ?? column} is now called ${one.after?.name ?? column}`,
  type_changed: (_, column) => `Column ${column} has another type`,
  nullability_changed: (one, column) => `Column ${column} ${one.after?.nullable ? 'may be NULL now' : 'may not be NULL any more'}`,
  key_changed: () => 'The key is another',
  table_dropped: (one) => `Table ${tableName(one.table)} is gone`,
}

/** What happened, as one sentence. */
export function changeText(one: Told): string {
  return SENTENCES[one.kind]?.(one, one.column ?? '') ?? one.kind.replaceAll('_', ' ')
}

/** What each decision would do, so that nobody has to guess. */
export function decisionText(decision: Decision, one: SchemaChange): string {
  if (decision === 'approve') return one.ddl?.length ? `The target is changed: ${one.ddl.join(' ')}` : 'The task goes on with the table as it is now.'
  return decision === 'ignore' ? 'The task goes on without it; the target stays as it is.' : 'The table stands still until its source is as before or the task is changed.'
}

/** Lines for a side-by-side diff of two sets of columns. */
export function columnLines(columns: readonly ColumnView[]): string {
  return columns.map((column) => `${column.name} ${columnText(column)}`).join('\n')
}
