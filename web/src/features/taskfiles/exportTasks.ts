/** Tasks as a file, with the connectors they use; secrets are references in it. */
import { call } from '@/shared/api/client'
import { download, fileName } from '@/shared/lib/download'
import { useToasts } from '@/shared/stores/toasts'

export function useExport() {
  const toasts = useToasts()
  return async function exportTasks(tasks: readonly { id: number; name: string }[]): Promise<void> {
    try {
      const text = await call<string>('get', '/api/tasks/export', undefined, { query: { ids: tasks.map((one) => one.id), with_connectors: true } })
      download(text, tasks.length === 1 ? `${fileName(tasks[0]?.name ?? '')}.yaml` : 'tasks.yaml')
    } catch (error) {
      toasts.failed(error)
    }
  }
}
