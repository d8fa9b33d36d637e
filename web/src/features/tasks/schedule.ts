/** When a task starts, in words. Pure. */
import type { TaskView } from '@/shared/api/types'
import { duration } from '@/shared/lib/format'

export type Scheduled = Pick<TaskView, 'schedule_type' | 'schedule_interval_seconds' | 'schedule'>

/** `by cron 0 3 * * * in Europe/Berlin`; `name` tells how another task is called. */
export function scheduleText(task: Scheduled, name: (id: number) => string = (id) => `task #${String(id)}`): string {
  const { schedule } = task
  switch (task.schedule_type ?? 'manual') {
    case 'manual': return 'started by hand'
    case 'interval': return `every ${duration(task.schedule_interval_seconds)}`
    case 'cron': return `by cron ${schedule?.cron ?? ''} in ${zoneOf(task)}`
    case 'continuous': return 'again as soon as it ended'
    case 'after_task': return `after ${schedule?.after_task_id == null ? 'another task' : name(schedule.after_task_id)}`
  }
}

export function zoneOf(task: Scheduled): string {
  return task.schedule?.timezone ?? 'UTC'
}

/** A start as the clock of its own zone shows it: `2026-11-29 03:00 Europe/Berlin`. */
export function zonedText(local: string, zone: string): string {
  return `${local.slice(0, 16).replace('T', ' ')} ${zone}`
}

const OUTCOMES: Readonly<Record<string, string>> = { success: 'succeeded', failure: 'failed', any: 'ended' }
const OVERLAPS: Readonly<Record<string, string>> = { skip: 'skipped', queue: 'made up for afterwards' }
const CATCH_UPS: Readonly<Record<string, string>> = { once: 'made up for once', none: 'forgotten' }

/** What else is said of a schedule, as pairs of a label and a text; nothing for a task that is started by hand. */
export function scheduleDetails(task: Scheduled): [label: string, text: string][] {
  const { schedule, schedule_type: type = 'manual' } = task
  if (!schedule || type === 'manual') return []
  const { on = 'success', overlap = 'skip', catch_up = 'once', jitter_seconds = 0, blackout = [] } = schedule
  return [
    ...(type === 'after_task' ? [['When that one', OUTCOMES[on] ?? on] as [string, string]] : []),
    ['A start while it still runs is', OVERLAPS[overlap] ?? overlap],
    ['Starts missed while the daemon was off are', CATCH_UPS[catch_up] ?? catch_up],
    ...(jitter_seconds ? [['Put off by chance, up to', duration(jitter_seconds)] as [string, string]] : []),
    ...blackout.map((one): [string, string] => ['No start between', `${one.start} and ${one.end}${one.days?.length ? `, ${one.days.join(', ')}` : ''}`]),
  ]
}
