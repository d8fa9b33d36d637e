/** Steering tasks from anywhere: asks where it costs something, says what became of it. */
import { shallowRef } from 'vue'

import { api } from '@/shared/api/client'
import type { TableRef, TaskAction } from '@/shared/api/types'
import { useLive } from '@/shared/live/live.store'
import { useToasts } from '@/shared/stores/toasts'
import { confirm } from '@/shared/ui/confirm'

import { pauseCost } from './health'

export const STOP_EFFECT = 'What was read still arrives; tables that are not whole stay invisible and go on at the next start.'

export interface Steered {
  id: number
  name: string
}

const DONE: Readonly<Record<TaskAction, string>> = {
  start: 'is starting',
  stop: 'is stopping',
  pause: 'is pausing',
  resume: 'goes on',
}

export function useTaskActions() {
  const toasts = useToasts()
  const live = useLive()
  const busy = shallowRef<ReadonlySet<number>>(new Set())

  async function send(task: Steered, action: TaskAction, more: { force?: boolean; tables?: TableRef[] } = {}): Promise<void> {
    busy.value = new Set([...busy.value, task.id])
    try {
      await api.post('/api/tasks/{task_id}/control', { action, ...more }, { path: { task_id: task.id } })
      toasts.done(`${task.name} ${DONE[action]}.`)
    } catch (error) {
      toasts.failed(error)
    } finally {
      busy.value = new Set([...busy.value].filter((id) => id !== task.id))
    }
  }

  async function act(task: Steered, action: TaskAction): Promise<void> {
    if (action === 'stop' && !(await confirmStop(task))) return
    if (action === 'pause' && !(await confirmPause(task))) return
    await send(task, action)
  }

  /** Nothing is lost by a pause, but changes of a stream are kept for a time only. */
  async function confirmPause(task: Steered): Promise<boolean> {
    const known = live.pictures.tasks?.get(task.id)
    const cost = known ? pauseCost(known.task.mode, known.progress?.retention_margin_h) : null
    return cost === null || confirm({ title: `Pause “${task.name}”?`, text: `What was read still arrives, and the task waits until it is resumed. ${cost}`, button: 'Pause' })
  }

  /** Start some tables; `again` forgets what was left unfinished of them. */
  async function startTables(task: Steered, tables: TableRef[], again: boolean): Promise<void> {
    await (again ? reload(task, tables) : send(task, 'start', { tables }))
  }

  async function forceStop(task: Steered): Promise<void> {
    const yes = await confirm({
      title: `Force “${task.name}” to stop?`,
      text: 'It ends without waiting for what was read to arrive. Those rows are read again next time; nothing is lost.',
      button: 'Force stop',
      danger: true,
    })
    if (yes) await send(task, 'stop', { force: true })
  }

  async function reload(task: Steered, tables: TableRef[] = []): Promise<void> {
    const yes = await confirm({
      title: tables.length ? 'Copy these tables again?' : `Copy all tables of “${task.name}” again?`,
      text: 'What an earlier execution left unfinished is forgotten and everything is read anew.',
      points: tables.map((table) => `${table.schema}.${table.name}`),
      button: 'Copy again',
    })
    if (yes) await send(task, 'start', { force: true, tables })
  }

  async function remove(task: Steered): Promise<boolean> {
    const yes = await confirm({
      title: `Delete “${task.name}”?`,
      text: 'This cannot be undone. It removes:',
      points: ['the task and its history of executions', 'its checkpoints and what it left unfinished', 'not the data it committed at the destination'],
      button: 'Delete',
      danger: true,
      typed: task.name,
    })
    if (!yes) return false
    try {
      await api.remove('/api/tasks/{task_id}', { path: { task_id: task.id } })
      toasts.done(`${task.name} is deleted.`)
      return true
    } catch (error) {
      toasts.failed(error)
      return false
    }
  }

  return { busy, act, forceStop, reload, remove, startTables }
}

function confirmStop(task: Steered): Promise<boolean> {
  return confirm({
    title: `Stop “${task.name}”?`,
    text: STOP_EFFECT,
    button: 'Stop',
    danger: true,
  })
}
