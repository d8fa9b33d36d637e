/** One action on chosen tasks: by explicit ids, never by a filter that is evaluated again. */
import { ref } from 'vue'

import { call } from '@/shared/api/client'
import type { LiveTask, TaskAction } from '@/shared/api/types'
import { capital } from '@/shared/lib/format'
import { useToasts } from '@/shared/stores/toasts'
import { confirm } from '@/shared/ui/confirm'

import { pauseCost } from './health'
import { STOP_EFFECT } from './useTaskActions'

export type BulkAction = TaskAction | 'delete'
export interface BulkResult {
  id: number
  ok: boolean
  code: string | null
  detail: string
}

const EFFECTS: Readonly<Record<BulkAction, string>> = {
  start: 'Each goes on where it stopped.',
  pause: 'Each lets what was read arrive, and waits until it is resumed.',
  resume: 'Each goes on where it was paused.',
  stop: STOP_EFFECT,
  delete: 'This cannot be undone. Their history, checkpoints and what they left unfinished go too; data they committed at the destination stays.',
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
      title: `${capital(action)} ${can.length === 1 ? 'one task' : `${String(can.length)} tasks`}?`,
      text: [EFFECTS[action], skipped.length ? `Left alone, for their state does not allow it: ${skipped.map(({ task }) => `${task.name} (${task.status})`).join(', ')}.` : ''].filter(Boolean).join(' '),
      points: can.map((live) => pointOf(live, action)),
      button: capital(action),
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
