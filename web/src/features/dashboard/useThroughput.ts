/** Rates over a range: the last minutes as this page saw them, longer ones as the daemon kept them. */
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'

import { callIfThere } from '@/shared/api/client'
import { clock, moment } from '@/shared/lib/format'
import { useLive } from '@/shared/live/live.store'
import { usePrefs } from '@/shared/stores/prefs'

export const RANGES = { live: 'last minutes', '1h': '1 hour', '6h': '6 hours', '24h': '24 hours', '7d': '7 days' } as const
export type Range = keyof typeof RANGES
const HOURS: Readonly<Record<string, number>> = { '1h': 1, '6h': 6, '24h': 24, '7d': 168 }
const AGAIN_MS = 30_000

interface History {
  series: { name: string; points: { at: string; average: number }[] }[]
}

export function useThroughput(range: Ref<string>) {
  const live = useLive()
  const { prefs } = usePrefs()
  const history = shallowRef<History | null>(null)
  const kept = ref(true)

  async function read(): Promise<void> {
    const hours = HOURS[range.value]
    if (!hours) return
    const since = new Date(Date.now() - hours * 3_600_000).toISOString()
    const found = await callIfThere<History>('/api/dashboard/history', {
      query: { names: ['rows_per_second', 'mb_per_second'], since, points: 200 },
    }).catch(() => null)
    kept.value = found !== null
    history.value = found
  }

  const timer = setInterval(() => { void read() }, AGAIN_MS)
  onScopeDispose(() => { clearInterval(timer) })
  watch(range, () => { void read() }, { immediate: true })

  return computed(() => {
    const seen = live.rates.get('all') ?? []
    if (!HOURS[range.value] || !history.value) {
      return {
        labels: seen.map((point) => clock(point.at, prefs.zone)),
        rows: seen.map((point) => point.rows_s),
        mb: seen.map((point) => point.mb_s),
        kept: kept.value,
      }
    }
    const of = (name: string) => history.value?.series.find((one) => one.name === name)?.points ?? []
    const rows = of('rows_per_second')
    return {
      labels: rows.map((point) => moment(point.at, prefs.zone).slice(5, 16)),
      rows: rows.map((point) => point.average),
      mb: of('mb_per_second').map((point) => point.average),
      kept: true,
    }
  })
}
