/** Tasks in which changes of columns wait for a decision, for lists of tasks. The socket tells of none. */
import { computed, onScopeDispose } from 'vue'

import { api } from '@/shared/api/client'
import { useLoad } from '@/shared/lib/useLoad'
import { useSession } from '@/shared/stores/session'

const AGAIN_MS = 5_000

export function useUndecided() {
  const session = useSession()
  const found = useLoad(async (signal) => (session.offers('schema_drift') ? api.get('/api/tasks/schema-changes/undecided', { signal }) : null))
  void found.reload()
  const timer = setInterval(() => { void found.again() }, AGAIN_MS)
  onScopeDispose(() => { clearInterval(timer) })
  return computed(() => new Map((found.data.value?.items ?? []).map((one) => [one.task_id, one.changes])))
}
