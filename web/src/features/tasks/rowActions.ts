/** What can be done with one table of a task, in the state it and the task are in. Pure. */
import type { TablePhase, TableProgress, TaskView } from '@/shared/api/types'

export type RowAct = 'retry' | 'load' | 'skip' | 'copy' | 'rejected'
export interface RowAction {
  act: RowAct
  text: string
}

const UNDER_WAY: ReadonlySet<TablePhase> = new Set(['waiting', 'planning', 'loading', 'streaming', 'retrying', 'failed'])

type Table = Pick<TableProgress, 'phase' | 'rejected'>
type Task = Pick<TaskView, 'status' | 'mode' | 'allowed_actions'>

export function rowActions(one: Table, task: Task, may: { steer: boolean; rejected: boolean }): RowAction[] {
  const steering = may.steer ? [...ofFailed(one, task), ...ofOthers(one, task)] : []
  return one.rejected && may.rejected ? [...steering, { act: 'rejected', text: 'Show its rejected rows' }] : steering
}

function ofFailed({ phase }: Table, task: Task): RowAction[] {
  if (phase !== 'failed' && phase !== 'skipped') return []
  if (runs(task)) return [{ act: 'retry', text: phase === 'failed' ? 'Try again' : 'Go on with it' }]
  // A stream goes on with all its tables when the task is started: there is nothing of its own to offer.
  const streams = ['cdc', 'full_load_then_cdc'].includes(task.mode ?? 'full_load')
  return rests(task) && !streams ? [{ act: 'load', text: phase === 'failed' ? 'Try again' : 'Load it' }] : []
}

function ofOthers({ phase }: Table, task: Task): RowAction[] {
  const found: RowAction[] = []
  if (runs(task) && UNDER_WAY.has(phase)) found.push({ act: 'skip', text: 'Leave out of this run' })
  if (rests(task) || task.status === 'streaming') found.push({ act: 'copy', text: 'Copy again…' })
  return found
}

function runs(task: Task): boolean {
  return task.status === 'running' || task.status === 'streaming'
}
function rests(task: Task): boolean {
  return task.allowed_actions.includes('start')
}
