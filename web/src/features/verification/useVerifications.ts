/** The verifications of one task: listed, followed while they run, ordered, repaired. */
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'

import { api } from '@/shared/api/client'
import type { TableRef, Verification } from '@/shared/api/types'
import { useLoad } from '@/shared/lib/useLoad'
import { useToasts } from '@/shared/stores/toasts'

import { isOpen } from './verdicts'

const LISTED = 10
const LOOK_AGAIN_MS = 1000
const AFTER_ERROR_MS = 5000
const IDLE_MS = 15_000

export function useVerifications(taskId: number) {
  const toasts = useToasts()
  const busy = ref(false)
  const newest = shallowRef<ReadonlyMap<number, Verification>>(new Map())
  let timer: ReturnType<typeof setTimeout> | undefined
  let ended = false

  const list = useLoad(async (signal) => {
    const page = await api.get('/api/tasks/{task_id}/verifications', { signal, path: { task_id: taskId }, query: { limit: LISTED } })
    newest.value = new Map()
    return page
  })
  const items = computed(() => (list.data.value?.items ?? []).map((one) => newest.value.get(one.id) ?? one))
  const open = computed(() => items.value.find(isOpen) ?? null)

  // The socket tells of no verification: one that runs is asked for alone, and now and then for those of others.
  function follow(): void {
    clearTimeout(timer)
    const wait = list.error.value ? AFTER_ERROR_MS : open.value ? LOOK_AGAIN_MS : IDLE_MS
    if (!ended) timer = setTimeout(() => { void look() }, wait)
  }

  async function look(): Promise<void> {
    const one = open.value
    if (!one || list.error.value) return list.reload()
    try {
      note(await api.get('/api/tasks/{task_id}/verifications/{verification_id}', { path: { task_id: taskId, verification_id: one.id } }))
      follow()
    } catch {
      await list.reload() // tells the error where the list stands, and looks again later
    }
  }

  function note(one: Verification): void {
    newest.value = new Map([...newest.value, [one.id, one]])
  }

  watch([list.data, list.error], follow)
  onScopeDispose(() => {
    ended = true
    clearTimeout(timer)
  })

  /** Order one; null when it was refused, which is told. */
  async function order(tables: readonly TableRef[]): Promise<Verification | null> {
    return attempt(() => api.post('/api/tasks/{task_id}/verify', { tables: [...tables] }, { path: { task_id: taskId } }))
  }

  async function repair(one: Verification): Promise<Verification | null> {
    return attempt(() => api.post('/api/tasks/{task_id}/verifications/{verification_id}/repair', undefined, { path: { task_id: taskId, verification_id: one.id } }))
  }

  async function attempt(ask: () => Promise<Verification>): Promise<Verification | null> {
    busy.value = true
    try {
      const one = await ask()
      await list.reload()
      return one
    } catch (error) {
      toasts.failed(error)
      return null
    } finally {
      busy.value = false
    }
  }

  return { list, items, open, busy, order, repair }
}
