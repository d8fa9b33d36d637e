/** Which tasks a list shows, and in which order. Pure. */
import type { LiveTask } from '@/shared/api/types'
import { WORKING } from '@/shared/lib/states'

import type { Health } from './health'

export interface TaskWanted {
  find: string
  status: string
  mode: string
  connector: string
  tag: string
  owner: string
  health: string
  sort: string
}

type Key = (live: LiveTask) => string | number
const KEYS: Readonly<Record<string, Key>> = {
  name: ({ task }) => task.name.toLowerCase(),
  status: ({ task }) => task.status,
  rows_s: ({ progress }) => progress?.rows_s ?? 0,
  last_run_at: ({ task }) => task.last_run_at ?? '',
  owner: ({ task }) => task.owner.toLowerCase(),
  lag_s: ({ progress }) => progress?.lag_s ?? -1,
}

export function wanted(all: readonly LiveTask[], want: TaskWanted, health: (live: LiveTask) => Health): LiveTask[] {
  const find = want.find.trim().toLowerCase()
  return all.filter((live) => {
    const { task } = live
    return [task.name, ...task.tags, task.owner].some((text) => text.toLowerCase().includes(find)) &&
      (!want.tag || task.tags.includes(want.tag)) &&
      (!want.owner || task.owner === want.owner) &&
      (!want.status || (want.status === 'working' ? WORKING.has(task.status) : task.status === want.status)) &&
      (!want.health || health(live) === want.health) &&
      (!want.mode || task.mode === want.mode) &&
      (!want.connector || [task.source_connector_id, task.destination_connector_id].includes(Number(want.connector)))
  })
}

/** Ids in the wanted order; equal ones by id, so that rows never swap by themselves. */
export function order(all: readonly LiveTask[], sort: string): number[] {
  const down = sort.startsWith('-')
  const key = KEYS[down ? sort.slice(1) : sort] ?? KEYS['name']
  if (!key) return all.map(({ task }) => task.id)
  return [...all].sort((a, b) => {
    const [left, right] = [key(a), key(b)]
    const difference = left < right ? -1 : left > right ? 1 : 0
    return (down ? -difference : difference) || a.task.id - b.task.id
  }).map(({ task }) => task.id)
}

/** Keep the order a person looks at; new tasks come at the end until it is sorted again. */
export function frozen(kept: readonly number[], present: readonly number[]): number[] {
  const here = new Set(present)
  const known = new Set(kept)
  return [...kept.filter((id) => here.has(id)), ...present.filter((id) => !known.has(id))]
}
