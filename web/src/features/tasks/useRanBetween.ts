/** Tasks that ran in a stretch of time, as the address names it; null while it names none. */
import { computed, watch, type Ref } from 'vue'

import { api } from '@/shared/api/client'
import { useLoad } from '@/shared/lib/useLoad'

export function useRanBetween(since: Ref<string>, until: Ref<string>) {
  const named = computed(() => since.value !== '' && until.value !== '')
  const found = useLoad(async (signal) => (named.value ? api.get('/api/executions/tasks', { signal, query: { since: since.value, until: until.value } }) : null))
  watch([since, until], () => {
    found.data.value = null
    void found.reload()
  }, { immediate: true })
  const ids = computed(() => (named.value ? new Set(found.data.value?.task_ids ?? []) : null))
  return { ids, error: found.error, reload: found.reload }
}
