/** Steering single tables of a task: says what became of it, and takes back what can be taken back. */
import { useRouter } from 'vue-router'

import { api } from '@/shared/api/client'
import type { TableProgress, TaskView } from '@/shared/api/types'
import { duration, tableName } from '@/shared/lib/format'
import { useToasts } from '@/shared/stores/toasts'

import type { RowAct } from './rowActions'
import { useTaskActions } from './useTaskActions'

export function useTableActions() {
  const toasts = useToasts()
  const router = useRouter()
  const { reload } = useTaskActions()

  async function steer(task: TaskView, one: TableProgress, action: 'skip' | 'retry'): Promise<void> {
    try {
      await api.post('/api/tasks/{task_id}/tables/control', { action, tables: [one.table] }, { path: { task_id: task.id } })
    } catch (error) {
      toasts.failed(error)
      return
    }
    const name = tableName(one.table)
    if (action === 'retry') toasts.done(`${name} goes on.`)
    else toasts.done(`${name} is left out of this run.${kept(one)}`, { label: 'Undo', run: () => { void steer(task, one, 'retry') } })
  }

  async function load(task: TaskView, one: TableProgress): Promise<void> {
    try {
      await api.post('/api/tasks/{task_id}/control', { action: 'start', tables: [one.table] }, { path: { task_id: task.id } })
      toasts.done(`${tableName(one.table)} is being loaded.`)
    } catch (error) {
      toasts.failed(error)
    }
  }

  return async function act(task: TaskView, one: TableProgress, what: RowAct): Promise<void> {
    switch (what) {
      case 'skip':
      case 'retry': await steer(task, one, what); return
      case 'load': await load(task, one); return
      case 'copy': await reload(task, [one.table]); return
      case 'rejected': await router.push({ query: { tab: 'rejected' } })
    }
  }
}

/** What leaving a stream out costs, if it lasts. */
function kept(one: TableProgress): string {
  if (one.phase !== 'streaming' || one.retention_margin_h == null) return ''
  return ` Its changes are kept for ${duration(one.retention_margin_h * 3600)} more; then a copy is needed.`
}
