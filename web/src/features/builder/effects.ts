/** What saving means for data, in sentences. Pure. */
import type { TaskView } from '@/shared/api/types'

import { keyOf, rulesOf, stepsOf, type Draft } from './draft'

const MOST_NAMES = 5

export function effectsOf(stored: TaskView | null, draft: Draft): string[] {
  if (!stored) return [`It moves ${named(draft.source_tables.map(keyOf))}. Nothing moves before it is started or its schedule comes.`]
  const found: string[] = []
  const old = new Set(stored.source_tables.map(keyOf))
  const now = new Set(draft.source_tables.map(keyOf))
  const added = [...now].filter((name) => !old.has(name))
  const gone = [...old].filter((name) => !now.has(name))
  if (added.length) found.push(`${named(added)} will be copied at the next start.`)
  if (gone.length) found.push(`${named(gone)} will no longer be read; what arrived stays at the destination.`)
  if (stored.destination_connector_id !== draft.destination_connector_id) found.push('All tables will be copied to the new destination; what is at the old one stays.')
  if (JSON.stringify(rulesOf(stepsOf(stored.transformations ?? []))) !== JSON.stringify(rulesOf(draft.transformations))) found.push('The transformations apply to rows read from the next start on; rows that arrived keep their form until their table is copied again.')
  if (!['idle', 'scheduled', 'stopped', 'failed', 'draft'].includes(stored.status)) found.push(`The task is ${stored.status}: what it moves where can only change after it was stopped.`)
  return found
}

function named(names: readonly string[]): string {
  const more = names.length - MOST_NAMES
  return names.length === 0 ? 'no table' : `${names.slice(0, MOST_NAMES).join(', ')}${more > 0 ? ` and ${String(more)} more` : ''}`
}
