/** What each kind of trouble is called, and where somebody can do something about it. Pure. */
import type { Trouble } from '@/shared/api/types'
import type { Tone } from '@/shared/lib/states'

interface Advice {
  word: string
  tone: Tone
  /** The words of the link, and where it leads by the id of what is in trouble. */
  act: string
  to: (id: number) => string
}

const task = (rest = '') => (id: number): string => `/tasks/${String(id)}${rest}`
export const ADVICE: Readonly<Record<Trouble['kind'], Advice>> = {
  task_failed: { word: '✕ failed', tone: 'bad', act: 'See why', to: task('?tab=logs') },
  changes_at_risk: { word: '▲ changes at risk', tone: 'bad', act: 'See the tables', to: task() },
  task_retrying: { word: '↻ retrying', tone: 'warn', act: 'See why', to: task('?tab=logs') },
  task_lagging: { word: '◷ lagging', tone: 'warn', act: 'See the tables', to: task() },
  drift_undecided: { word: '≠ drift', tone: 'warn', act: 'Decide', to: task('?tab=schema') },
  connector_failing: { word: '✕ test failing', tone: 'bad', act: 'Test it again', to: (id) => `/connectors/${String(id)}` },
  disk_full: { word: '▲ disk', tone: 'bad', act: 'See what is kept', to: () => '/settings' },
}

export function placeOf(one: Trouble): string | null {
  if (one.kind === 'disk_full') return null
  return one.kind === 'connector_failing' ? `/connectors/${String(one.id)}` : `/tasks/${String(one.id)}`
}
