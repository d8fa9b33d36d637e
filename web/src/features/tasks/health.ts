/** How well a task does, beside the state it is in. Pure: no word without something that was seen. */
import type { LiveTask } from '@/shared/api/types'
import { duration } from '@/shared/lib/format'
import { LATE_S, WORKING, type Look } from '@/shared/lib/states'

export type Health = 'ok' | 'lagging' | 'drift' | 'unknown'
export const HEALTH_LOOKS: Readonly<Record<Health, Look>> = {
  ok: { icon: '✓', text: 'ok', tone: 'good' },
  lagging: { icon: '◷', text: 'lagging', tone: 'bad' },
  drift: { icon: '≠', text: 'drift pending', tone: 'warn' },
  unknown: { icon: '?', text: 'unknown', tone: 'quiet' },
}

export interface Finding {
  health: Health
  why: string
}

/**
 * `undecided`: changes of columns that wait for somebody. `seen`: whether the figures are of now; those of a lost
 * connection say nothing.
 */
export function healthOf({ task, progress }: LiveTask, undecided: number, seen: boolean): Finding {
  if (undecided) return { health: 'drift', why: `${undecided === 1 ? 'A change of columns waits' : `${String(undecided)} changes of columns wait`} for a decision.` }
  if (!seen) return { health: 'unknown', why: 'The connection is lost; nobody knows how it is now.' }
  return WORKING.has(task.status) ? atWork(task.status, progress) : atRest(task)
}

function atWork(status: LiveTask['task']['status'], progress: LiveTask['progress']): Finding {
  const lag = progress?.lag_s ?? null
  if (lag !== null && lag > LATE_S) return { health: 'lagging', why: `A table is ${duration(lag)} behind.` }
  if (progress?.warning) return { health: 'lagging', why: progress.warning }
  if (status === 'retrying') return { health: 'unknown', why: 'It failed and tries again.' }
  if (status === 'streaming' && lag === null) return { health: 'unknown', why: 'How far it is behind is measured in a moment.' }
  return { health: 'ok', why: lag === null ? 'It works, and nothing went wrong.' : `At most ${duration(lag)} behind.` }
}

function atRest(task: LiveTask['task']): Finding {
  if (!task.last_run_at) return { health: 'unknown', why: 'It never ran.' }
  if (task.status === 'failed' || task.last_error) return { health: 'unknown', why: 'It ended with an error.' }
  if (task.status === 'paused' && STREAMS.has(task.mode)) return { health: 'unknown', why: 'It is paused: nobody looks how far it falls behind.' }
  return { health: 'ok', why: 'Its last execution ended without an error.' }
}

export const STREAMS: ReadonlySet<string> = new Set(['cdc', 'full_load_then_cdc'])

/** What a pause costs, in one sentence; null where it costs nothing. */
export function pauseCost(mode: string, margin_h: number | null | undefined): string | null {
  if (!STREAMS.has(mode)) return null
  if (margin_h == null) return 'The source keeps changes for a time only, which nobody knows yet. Once it forgets some that are needed, a re-load is needed.'
  if (margin_h <= 0) return 'The source already forgets changes that are needed: a re-load will be needed.'
  return `Changes are kept for ${duration(margin_h * 3600)} more; then a re-load is needed.`
}
