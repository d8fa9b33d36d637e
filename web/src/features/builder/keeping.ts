/** What becomes of rows that are at the target already, and of their earlier versions. Pure. */
import type { ConnectorType } from '@/shared/api/types'

import type { Draft } from './draft'

export type WriteMode = NonNullable<NonNullable<Draft['options']>['write_mode']>
export interface Choice {
  value: WriteMode
  text: string
  /** Why it cannot be chosen; empty when it can. */
  refused: string
}
const MODES: readonly [WriteMode, string][] = [['overwrite', 'replaced'], ['append', 'kept, new ones added'], ['truncate_insert', 'replaced within the same table']]

export function writeMode(draft: Draft): WriteMode {
  return draft.options?.write_mode ?? 'overwrite'
}
export function keepsHistory(draft: Draft): boolean {
  return draft.options?.history ?? false
}
export function withOptions(draft: Draft, more: Partial<NonNullable<Draft['options']>>): Draft {
  return { ...draft, options: { ...draft.options, ...more } }
}

/** The ways to write, and which of them this destination and task rule out. Null: nobody knows the destination yet. */
export function choices(draft: Draft, type: ConnectorType | null): Choice[] {
  return MODES.map(([value, text]) => {
    const able = type?.capabilities[value] ?? true
    const refused = able ? (keepsHistory(draft) && value !== 'overwrite' ? 'a history goes on' : '') : 'not at this destination'
    return { value, text, refused }
  })
}

/** Why no history can be kept; empty when it can. */
export function historyRefused(draft: Draft, type: ConnectorType | null): string {
  if (type && !type.capabilities.history) return `${type.title} keeps one row a key. Choose a destination of Snowflake to keep every version.`
  if (draft.mode === 'incremental') return 'Increments read rows twice, which would count as versions. Choose another mode.'
  if (writeMode(draft) !== 'overwrite') return 'A load continues a history: rows already there are to be replaced.'
  return ''
}

/** How many tables say for themselves whether they keep a history, otherwise than the task. */
export function otherwise(draft: Draft): number {
  return (draft.table_mappings ?? []).filter((one) => typeof one.history === 'boolean' && one.history !== keepsHistory(draft)).length
}
