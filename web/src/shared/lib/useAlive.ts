/** Whether the component is still there: what it waited for may come after somebody left it. */
import { onScopeDispose } from 'vue'

export function useAlive(): () => boolean {
  let alive = true
  onScopeDispose(() => { alive = false })
  return () => alive
}
