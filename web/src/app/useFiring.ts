/** How many alerts nobody takes care of yet; the socket tells of none. */
import { computed, onScopeDispose, watch } from 'vue'

import { api } from '@/shared/api/client'
import { useLoad } from '@/shared/lib/useLoad'
import { useSession } from '@/shared/stores/session'

const AGAIN_MS = 30_000
const MOST = 200

export function useFiring() {
  const session = useSession()
  const firing = useLoad((signal) => api.get('/api/alerts/events', { signal, query: { status: ['firing'], limit: MOST } }))
  watch(() => session.me, (me) => { if (me) void firing.reload() }, { immediate: true })
  const timer = setInterval(() => { if (session.me && !session.loginNeeded) void firing.again() }, AGAIN_MS)
  onScopeDispose(() => { clearInterval(timer) })
  return computed(() => (firing.data.value?.items ?? []).filter((one) => !one.acknowledged_at).length)
}
