/** What the server finds wrong with the draft, asked again a moment after each change. */
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'

import { api } from '@/shared/api/client'
import { asApiError, type ApiError } from '@/shared/api/problem'
import type { SpecProblem } from '@/shared/api/types'

import { specOf, type Draft } from './draft'

const QUIET_MS = 900

export function useValidation(draft: Readonly<Ref<Draft>>, taskId: number | null, offered: () => boolean) {
  const problems = shallowRef<readonly SpecProblem[]>([])
  const failure = shallowRef<ApiError | null>(null)
  const checkedFor = ref('')
  const busy = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let current: AbortController | undefined

  const spec = computed(() => specOf(draft.value))
  const asked = computed(() => (spec.value?.name.trim() ? JSON.stringify(spec.value) : ''))
  /** Whether what is known is of the draft as it is now. */
  const fresh = computed(() => checkedFor.value !== '' && checkedFor.value === asked.value)

  async function check(): Promise<void> {
    const text = asked.value
    if (!spec.value || text === '' || !offered()) return
    current?.abort()
    const mine = new AbortController()
    current = mine
    busy.value = true
    try {
      const found = await api.post('/api/tasks/validate', spec.value, { signal: mine.signal, query: taskId === null ? {} : { task_id: taskId } })
      if (current !== mine) return
      problems.value = found.problems
      failure.value = null
      checkedFor.value = text
    } catch (thrown) {
      if (current !== mine) return
      const error = asApiError(thrown)
      failure.value = error
      // A specification the server cannot even read has one mistake: that one.
      problems.value = error.status === 400 || error.status === 422 ? [{ code: error.code, detail: error.message, hint: error.hint, field: error.field }] : []
      checkedFor.value = text
    } finally {
      if (current === mine) busy.value = false
    }
  }

  /** What comes of an earlier question is no answer to this one, and its end is no failure. */
  function forget(): void {
    current?.abort()
    current = undefined
    busy.value = false
  }

  watch([asked, offered], () => {
    clearTimeout(timer)
    forget()
    if (asked.value === '') problems.value = []
    timer = setTimeout(() => { void check() }, QUIET_MS)
  }, { immediate: true })
  onScopeDispose(() => {
    clearTimeout(timer)
    forget()
  })
  return { problems, failure, busy, fresh, check }
}
