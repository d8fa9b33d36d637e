/** One action on chosen tasks: by explicit ids, never by a filter that is evaluated again. */
import { ref } from 'vue'

import { call } from '@/shared/api/client'
import type { LiveTask, TaskAction } from '@/shared/api/types'
import { useToasts } from '@/shared/stores/toasts'
import { confirm } from '@/shared/ui/confirm'

import { pauseCost } from './health'

export type BulkAction = TaskAction | 'delete'
export interface BulkResult {
  id: number
  ok: boolean
  code: string | null
  detail: string
}

function pointOf({ task, progress }: LiveTask, action: BulkAction): string {
  const cost = action === 'pause' ? pauseCost(task.mode, progress?.retention_margin_h) : null
  return `${task.name} (#${String(task.id)}, ${task.status})${cost ? `: ${cost}` : ''}`
}

export function useBulk() {
  const toasts = useToasts()
  const busy = ref(false)
  const results = ref<(BulkResult & { name: string })[]>([])

  /** Add tags to tasks or take them away: nothing runs otherwise for it, so nobody is asked. */
  async function tag(action: 'tag' | 'untag', tags: readonly string[], chosen: readonly LiveTask[]): Promise<void> {
    await tell({ action, ids: chosen.map(({ task }) => task.id), tags }, chosen)
  }

  async function run(action: BulkAction, chosen: readonly LiveTask[]): Promise<void> {
    const can = chosen.filter(({ task }) => action === 'delete' || task.allowed_actions.includes(action))
    const skipped = chosen.filter((live) => !can.includes(live))
    if (!can.length) return toasts.failed(new Error(`None of the selected tasks can be told to ${action} now.`))
    const yes = await confirm({
      title: `${action.charAt(0).toUpperCase()}${action.slice(1)} ${String(can.length)} tasks?`,
      text: skipped.length ? `${String(skipped.length)} others are left alone, their state does not allow it: ${skipped.map(({ task }) => `${task.name} (${task.status})`).join(', ')}.` : 'These tasks:',
      points: can.map((live) => pointOf(live, action)),
      button: `${action.charAt(0).toUpperCase()}${action.slice(1)} them`,
      danger: action === 'stop' || action === 'delete',
      ...(action === 'delete' ? { typed: `delete ${String(can.length)}` } : {}),
    })
    if (!yes) return
    await tell({ action, ids: can.map(({ task }) => task.id) }, can)
  }

  async function tell(body: { action: string; ids: number[]; tags?: readonly string[] }, chosen: readonly LiveTask[]): Promise<void> {
    busy.value = true
    try {
      const names = new Map(chosen.map(({ task }) => [task.id, task.name]))
      const answer = await call<{ results: BulkResult[] }>('post', '/api/tasks/bulk', body)
      results.value = answer.results.map((one) => ({ ...one, name: names.get(one.id) ?? '' }))
      const bad = results.value.filter((one) => !one.ok).length
      toasts.done(`${String(answer.results.length - bad)} of ${String(answer.results.length)} tasks accepted ${body.action}.`)
    } catch (error) {
      toasts.failed(error)
    } finally {
      busy.value = false
    }
  }

  return { busy, results, run, tag }
}
