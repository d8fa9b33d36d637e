/** What happened while a chart was drawn, placed on its points. Pure. */
import type { Execution, TaskStatus } from '@/shared/api/types'
import { EXECUTION_LOOKS, TASK_LOOKS, type Tone } from '@/shared/lib/states'

export interface Happening {
  /** Milliseconds since 1970. */
  at: number
  text: string
  tone: Tone
}
export interface Mark {
  /** Which point of the chart it stands at. */
  index: number
  text: string
  tone: Tone
}

const MOST = 12

/** Beginnings and ends of executions. */
export function ofExecutions(executions: readonly Execution[]): Happening[] {
  return executions.flatMap((one) => {
    const began: Happening = { at: Date.parse(one.started_at), text: `▸ #${String(one.id)} began`, tone: 'busy' }
    if (!one.completed_at) return [began]
    const look = EXECUTION_LOOKS[one.status]
    return [began, { at: Date.parse(one.completed_at), text: `${look.icon} #${String(one.id)} ${look.text}`, tone: look.tone }]
  })
}

/** States worth a mark: the others are begins and ends of executions, which are marked as such. */
const TOLD: ReadonlySet<TaskStatus> = new Set(['pausing', 'paused', 'retrying', 'stopping', 'failed'])
export function ofStatus(status: TaskStatus, at: number): Happening[] {
  const look = TASK_LOOKS[status]
  return TOLD.has(status) ? [{ at, text: `${look.icon} ${look.text}`, tone: look.tone }] : []
}

/** The newest happenings since the first of the points, which are moments in order; a task at rest has no later ones. */
export function marksOn(points: readonly number[], happenings: readonly Happening[]): Mark[] {
  const first = points[0]
  if (first === undefined) return []
  const place = (at: number) => {
    const index = points.findIndex((point) => point >= at)
    return index < 0 ? points.length - 1 : index
  }
  return happenings
    .filter((one) => one.at >= first)
    .sort((a, b) => a.at - b.at)
    .slice(-MOST)
    .map((one) => ({ index: place(one.at), text: one.text, tone: one.tone }))
}
