/** The last runs and the next start of every task, for lists of tasks. The socket tells neither. */
import { computed, onScopeDispose, watch } from 'vue'

import { api } from '@/shared/api/client'
import { useLoad } from '@/shared/lib/useLoad'
import { useLive } from '@/shared/live/live.store'

import type { Run } from './runSpark'

const STARTS = 1000
const AGAIN_MS = 15_000

/** `count` runs of each task at most. */
export function useTaskRuns(count = 14) {
  const live = useLive()
  const newest = useLoad((signal) => api.get('/api/executions/newest', { signal, query: { count } }))
  const agenda = useLoad((signal) => api.get('/api/schedules/agenda', { signal, query: { count: STARTS } }))
  const both = () => Promise.all([newest.again(), agenda.again()])
  // A text: only tasks that came, went, began or ended make them be asked for again.
  const marks = computed(() => live.tasks.map(({ task }) => `${String(task.id)} ${task.status} ${task.last_run_at ?? ''}`).join())
  let asked = ''
  watch(marks, (now) => {
    // The clock asks for what changes from now on: a storm of changes is one question.
    if (asked) return
    asked = now
    void both()
  }, { immediate: true })
  const timer = setInterval(() => {
    if (asked === marks.value) return
    asked = marks.value
    void both()
  }, AGAIN_MS)
  onScopeDispose(() => { clearInterval(timer) })

  const runs = computed(() => new Map<number, readonly Run[]>((newest.data.value?.tasks ?? []).map((one) => [one.task_id, one.runs])))
  const starts = computed(() => new Map((agenda.data.value?.starts ?? []).map((one) => [one.task_id, one.at])))
  return { runs, starts, newest }
}
