/** Reads something and tells its state: loading, loaded, failed with the old data kept. */
import { onScopeDispose, shallowRef, type ShallowRef } from 'vue'

import { asApiError, type ApiError } from '@/shared/api/problem'

export interface Loaded<T> {
  data: ShallowRef<T | null>
  error: ShallowRef<ApiError | null>
  loading: ShallowRef<boolean>
  reload: () => Promise<void>
}

/** The newest call wins: an answer that comes late never replaces a newer one. */
export function useLoad<T>(read: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const data = shallowRef<T | null>(null)
  const error = shallowRef<ApiError | null>(null)
  const loading = shallowRef(false)
  let current: AbortController | null = null

  async function reload(): Promise<void> {
    current?.abort()
    const mine = new AbortController()
    current = mine
    loading.value = true
    try {
      const found = await read(mine.signal)
      if (current !== mine) return
      data.value = found
      error.value = null
    } catch (thrown) {
      if (current === mine) error.value = asApiError(thrown)
    } finally {
      if (current === mine) loading.value = false
    }
  }

  onScopeDispose(() => {
    current?.abort()
    current = null
  })
  return { data, error, loading, reload }
}
