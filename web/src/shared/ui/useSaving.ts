/** How a dialog saves: its answer touches the dialog only while that is still the one that was sent. */
import { onScopeDispose, ref, watch, type Ref } from 'vue'

import { asApiError, type ApiError } from '@/shared/api/problem'
import { useToasts } from '@/shared/stores/toasts'

export function useSaving(open: Ref<boolean>) {
  const toasts = useToasts()
  const busy = ref(false)
  let turn = 0
  // At once: one that is closed and opened again for something else is another one.
  watch(open, () => {
    turn += 1
    busy.value = false
  }, { flush: 'sync' })
  onScopeDispose(() => { turn += 1 })

  /** Do it and close the dialog. Why it was refused is told where it was asked, or, when nobody is there any more, to everybody. */
  async function save(work: () => Promise<unknown>, refused: (error: ApiError) => void): Promise<boolean> {
    const mine = turn
    busy.value = true
    try {
      await work()
      if (turn === mine) open.value = false
      return true
    } catch (thrown) {
      if (turn === mine) refused(asApiError(thrown))
      else toasts.failed(thrown)
      return false
    } finally {
      if (turn === mine) busy.value = false
    }
  }
  return { busy, save }
}
