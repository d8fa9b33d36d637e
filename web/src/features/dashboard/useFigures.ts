/** Figures over a range: the last minutes of rates as this page saw them, everything else as the daemon kept it. */
import { computed, onScopeDispose, watch, type Ref } from 'vue'

import { callIfThere } from '@/shared/api/client'
import { clock, moment } from '@/shared/lib/format'
import { useLoad } from '@/shared/lib/useLoad'
import { useLive } from '@/shared/live/live.store'
import { usePrefs } from '@/shared/stores/prefs'

import { newest, pointsOf, type History } from './history'

export const RANGES = { live: 'last minutes', '1h': '1 hour', '6h': '6 hours', '24h': '24 hours', '7d': '7 days' } as const
export type Range = keyof typeof RANGES
const HOURS: Readonly<Record<string, number>> = { live: 0.25, '1h': 1, '6h': 6, '24h': 24, '7d': 168 }
const CURVES = ['rows_per_second', 'mb_per_second', 'replication_lag_s']
const TILES = ['replication_lag_s', 'retention_margin_h', 'memory_mb', 'disk_free_mb']
const POINTS = 200
/** The daemon keeps a sample every ten seconds. */
const AGAIN_MS = 10_000
const FRESH_MS = 120_000

export function useFigures(range: Ref<string>) {
  const live = useLive()
  const { prefs } = usePrefs()
  const read = (names: readonly string[], ms: number, signal: AbortSignal) => callIfThere<History>('/api/dashboard/history', {
    signal, query: { names, since: new Date(Date.now() - ms).toISOString(), points: POINTS },
  })
  const kept = useLoad((signal) => read(CURVES, (HOURS[range.value] ?? 1) * 3_600_000, signal))
  // What is true now does not depend on the range of the curves.
  const recent = useLoad((signal) => read(TILES, FRESH_MS, signal))
  void recent.reload()
  const timer = setInterval(() => { void Promise.all([kept.again(), recent.again()]) }, AGAIN_MS)
  onScopeDispose(() => { clearInterval(timer) })
  watch(range, () => { void kept.reload() }, { immediate: true })

  const short = computed(() => range.value === 'live')
  const label = (at: string) => (short.value ? clock(Date.parse(at), prefs.zone) : moment(at, prefs.zone).slice(5, 16))

  const rates = computed(() => {
    if (short.value || !kept.data.value) {
      const seen = live.rates.get('all') ?? []
      return { labels: seen.map((point) => clock(point.at, prefs.zone)), times: seen.map((point) => point.at), rows: seen.map((point) => point.rows_s), mb: seen.map((point) => point.mb_s) }
    }
    const rows = pointsOf(kept.data.value, 'rows_per_second')
    return { labels: rows.map((point) => label(point.at)), times: rows.map((point) => Date.parse(point.at)), rows: rows.map((point) => point.average), mb: pointsOf(kept.data.value, 'mb_per_second').map((point) => point.average) }
  })
  /** The worst of each stretch of time: an average would hide it. */
  const lag = computed(() => {
    const points = pointsOf(kept.data.value, 'replication_lag_s')
    return { labels: points.map((point) => label(point.at)), times: points.map((point) => Date.parse(point.at)), values: points.map((point) => point.most) }
  })
  const now = computed(() => newest(recent.data.value, Date.now() - FRESH_MS))
  /** Whether this server keeps a history at all. */
  const offered = computed(() => kept.data.value !== null || kept.loading.value || kept.error.value !== null)
  return { rates, lag, now, offered }
}
