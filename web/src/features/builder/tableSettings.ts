/** What one table says for itself instead of its task, and what a task says of all. Pure. */
import type { TableRef, TaskSpec } from '@/shared/api/types'

import { keyOf, withMapping, type Draft } from './draft'
import { OPTIONS, type Option, type OptionName } from './options'

export type Rules = NonNullable<TaskSpec['table_rules']>
export type TypeRule = NonNullable<Rules['types']>[number]
export type Mapping = NonNullable<TaskSpec['table_mappings']>[number]
/** Options of a task that a table may have of its own. */
export const OWN = ['write_mode', 'history', 'target_file_size_mb', 'chunk_rows', 'concurrent_chunks', 'max_rejected_rows', 'on_gap'] as const satisfies readonly (OptionName & keyof Mapping)[]
export type OwnName = (typeof OWN)[number]

export function mappingOf(draft: Draft, table: TableRef): Partial<Mapping> {
  return draft.table_mappings?.find((one) => keyOf(one.source) === keyOf(table)) ?? {}
}

/** Names of what a table says for itself, in words. */
export function ownOf(draft: Draft, table: TableRef): string[] {
  const mapping = mappingOf(draft, table)
  const words: Readonly<Record<string, string>> = { target: 'target', key: 'key', partition_by: 'partitions', watermark: 'watermark', include_columns: 'columns', exclude_columns: 'columns', column_names: 'column names', types: 'types' }
  const said = Object.entries(mapping).filter(([name, value]) => name !== 'source' && value !== null && (!Array.isArray(value) || value.length > 0))
  return [...new Set(said.map(([name]) => words[name] ?? (OPTIONS as Readonly<Record<string, Option>>)[name]?.label.toLowerCase() ?? name))]
}

export function withRulesSet(draft: Draft, more: Partial<Rules>): Draft {
  const rules = Object.fromEntries(Object.entries({ ...draft.table_rules, ...more }).filter(([, value]) => value !== '' && (!Array.isArray(value) || value.length > 0)))
  return { ...draft, table_rules: rules }
}

/** Set what a table says for itself; undefined leaves it to the task. */
export function withOwn(draft: Draft, table: TableRef, name: OwnName, value: unknown): Draft {
  return withMapping(draft, table, { [name]: value ?? null })
}

export function patternsOf(text: string): string[] {
  return [...new Set(text.split(',').map((part) => part.trim()).filter(Boolean))]
}

/** `o_orderdate:year, region` ⇄ partitions, outermost first. */
export function partitionsOf(text: string): NonNullable<Mapping['partition_by']> {
  return patternsOf(text).map((part) => {
    const at = part.lastIndexOf(':')
    return at > 0 ? { column: part.slice(0, at), part: part.slice(at + 1) } : { column: part }
  })
}
export function partitionText(partitions: Mapping['partition_by']): string {
  return (partitions ?? []).map((one) => (one.part && one.part !== 'value' ? `${one.column}:${one.part}` : one.column)).join(', ')
}
