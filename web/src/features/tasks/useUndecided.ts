/** Tasks in which changes of columns wait for a decision, for lists of tasks. The socket tells when to look. */
import { computed, onScopeDispose, watch } from 'vue'

import { api } from '@/shared/api/client'
import { useLoad } from '@/shared/lib/useLoad'
import { useLive } from '@/shared/live/live.store'
import { useSession } from '@/shared/stores/session'

/** For changes that another daemon noticed: their events do not come here. */
const AGAIN_MS = 15_000

export function useUndecided() {
  const session = useSession()
  const found = useLoad(async (signal) => (session.offers('schema_drift') ? api.get('/api/tasks/schema-changes/undecided', { signal }) : null))
  const live = useLive()
  watch(() => live.pictures.drifts, () => { void found.again() })
  void found.reload()
  const timer = setInterval(() => { void found.again() }, AGAIN_MS)
  onScopeDispose(() => { clearInterval(timer) })
  return computed(() => new Map((found.data.value?.items ?? []).map((one) => [one.task_id, one.changes])))
}
