/** Actions on chosen connectors: by explicit ids, each with a result of its own. */
import { ref, shallowRef } from 'vue'

import { api, call } from '@/shared/api/client'
import { asApiError } from '@/shared/api/problem'
import type { ConnectorView } from '@/shared/api/types'
import { download, fileName } from '@/shared/lib/download'
import { useToasts } from '@/shared/stores/toasts'
import { confirm } from '@/shared/ui/confirm'

export interface Outcome {
  id: number
  name: string
  ok: boolean
  detail: string
}

/** Tests at the same time: each holds a connection, and may wait for one that does not answer. */
const AT_ONCE = 3

/** `usersOf` names the tasks that use a connector: what is used is not deleted. */
export function useConnectorBulk(usersOf: (id: number) => readonly string[], changed: () => Promise<void>) {
  const toasts = useToasts()
  const busy = ref(false)
  const testing = shallowRef<ReadonlySet<number>>(new Set())
  const results = shallowRef<readonly Outcome[]>([])

  async function test(chosen: readonly ConnectorView[]): Promise<readonly Outcome[]> {
    const found = await each(chosen, async (one) => {
      const report = await api.post('/api/connectors/{connector_id}/test', undefined, { path: { connector_id: one.id } })
      return { ok: report.ok, detail: report.steps.find((step) => step.status === 'failed')?.detail ?? '' }
    })
    tell(found, chosen.length === 1 ? `${chosen[0]?.name ?? ''} passed its test.` : `${good(found)} of ${String(found.length)} connectors passed their test.`)
    return found
  }

  async function remove(chosen: readonly ConnectorView[]): Promise<void> {
    const used = chosen.filter((one) => usersOf(one.id).length > 0)
    const free = chosen.filter((one) => !used.includes(one))
    const kept = used.map((one) => `${one.name} is used by ${usersOf(one.id).join(', ')}.`)
    if (!free.length) return toasts.failed(new Error(kept.join(' ')))
    const what = free.length === 1 ? (free[0]?.name ?? '') : `${String(free.length)} connectors`
    const yes = await confirm({
      title: `Delete ${what}?`,
      text: [free.length === 1 ? 'No task uses it. Its secrets are removed with it.' : 'No task uses them. Their secrets are removed with them.', ...kept].join(' '),
      points: free.length === 1 ? [] : free.map((one) => `${one.name} (#${String(one.id)})`),
      button: 'Delete',
      danger: true,
      ...(free.length > 1 ? { typed: `delete ${String(free.length)}` } : {}),
    })
    if (!yes) return
    const found = await each(free, async (one) => {
      await api.remove('/api/connectors/{connector_id}', { path: { connector_id: one.id } })
      return { ok: true, detail: '' }
    })
    tell(found, free.length === 1 ? `${what} is deleted.` : `${good(found)} of ${String(found.length)} connectors are deleted.`)
  }

  async function save(chosen: readonly ConnectorView[]): Promise<void> {
    try {
      const text = await call<string>('get', '/api/connectors/export', undefined, { query: { ids: chosen.map((one) => one.id) } })
      download(text, chosen.length === 1 ? `${fileName(chosen[0]?.name ?? '')}.yaml` : 'connectors.yaml')
    } catch (error) {
      toasts.failed(error)
    }
  }

  /** Do the same with each, some at a time; one that fails hinders no other. */
  async function each(chosen: readonly ConnectorView[], work: (one: ConnectorView) => Promise<{ ok: boolean; detail: string }>): Promise<readonly Outcome[]> {
    busy.value = true
    results.value = []
    const found: Outcome[] = []
    const rest = [...chosen]
    async function worker(): Promise<void> {
      for (let one = rest.shift(); one; one = rest.shift()) {
        const { id, name } = one
        testing.value = new Set([...testing.value, id])
        const outcome = await work(one).catch((thrown: unknown) => ({ ok: false, detail: asApiError(thrown).message }))
        testing.value = new Set([...testing.value].filter((other) => other !== id))
        found.push({ id, name, ...outcome })
      }
    }
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, chosen.length) }, worker))
    busy.value = false
    results.value = found.sort((a, b) => a.id - b.id)
    await changed()
    return found
  }

  function tell(found: readonly Outcome[], text: string): void {
    const bad = found.filter((one) => !one.ok)
    if (found.length === 1 && bad[0]) toasts.failed(new Error(`${bad[0].name}: ${bad[0].detail}`))
    else toasts.done(text)
  }

  return { busy, testing, results, test, remove, save }
}

function good(found: readonly Outcome[]): string {
  return String(found.filter((one) => one.ok).length)
}
