/** Reads something and tells its state: loading, loaded, failed with the old data kept. */
import { onScopeDispose, shallowRef, type ShallowRef } from 'vue'

import { asApiError, type ApiError } from '@/shared/api/problem'

export interface Loaded<T> {
  data: ShallowRef<T | null>
  error: ShallowRef<ApiError | null>
  loading: ShallowRef<boolean>
  reload: () => Promise<void>
  /** Read again unless that is being done: a clock must not break off an answer that is slow to come. */
  again: () => Promise<void>
}

/** The newest call wins: an answer that comes late never replaces a newer one. */
export function useLoad<T>(read: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const data = shallowRef<T | null>(null)
  const error = shallowRef<ApiError | null>(null)
  const loading = shallowRef(false)
  let current: AbortController | null = null
  let ended = false

  async function reload(): Promise<void> {
    if (ended) return
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

  async function again(): Promise<void> {
    if (!loading.value) await reload()
  }

  onScopeDispose(() => {
    ended = true
    current?.abort()
    current = null
  })
  return { data, error, loading, reload, again }
}
