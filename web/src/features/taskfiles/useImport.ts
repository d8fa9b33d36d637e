/** A file of tasks and connectors: compared with what is here, then taken whole or not at all. */
import { computed, ref, shallowRef, watch } from 'vue'

import { api } from '@/shared/api/client'
import { asApiError, type ApiError } from '@/shared/api/problem'
import type { ImportResult } from '@/shared/api/types'

import { missingOf } from './missing'

export function useImport() {
  const text = ref('')
  const names = ref<Record<string, string>>({})
  const secrets = ref<Record<string, string>>({})
  const compared = shallowRef<ImportResult | null>(null)
  const failure = shallowRef<ApiError | null>(null)
  const busy = ref(false)

  const missing = computed(() => missingOf(text.value, compared.value?.problems ?? []))
  const changes = computed(() => (compared.value?.changes ?? []).filter((one) => one.action !== 'unchanged' || one.secrets?.length))
  const ready = computed(() => compared.value !== null && !compared.value.problems?.length && changes.value.length > 0)
  // What was compared is not what is written now: it must not be applied.
  watch(text, () => { compared.value = null; failure.value = null })

  async function send(dryRun: boolean): Promise<ImportResult | null> {
    busy.value = true
    failure.value = null
    const revision = compared.value?.revision
    try {
      const given = dryRun || !revision ? {} : { headers: { 'If-Match': `"${revision}"` } }
      return await api.post('/api/tasks/import', { document: text.value, dry_run: dryRun, secrets: filled(secrets.value), connector_names: filled(names.value) }, given)
    } catch (thrown) {
      failure.value = asApiError(thrown)
      return null
    } finally {
      busy.value = false
    }
  }

  async function compare(): Promise<void> {
    const asked = text.value
    const found = await send(true)
    if (text.value === asked) compared.value = found // else it is about what is no longer written there
  }

  /** Apply what was compared; when something changed since, compare again and let the person look. */
  async function apply(): Promise<ImportResult | null> {
    const done = await send(false)
    const refused = failure.value
    if (!done && refused?.status === 412) {
      await compare()
      failure.value = refused
    }
    return done
  }

  function clear(): void {
    text.value = ''
    names.value = {}
    secrets.value = {}
    compared.value = null
    failure.value = null
  }

  return { text, names, secrets, compared, failure, busy, missing, changes, ready, compare, apply, clear }
}

function filled(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''))
}
