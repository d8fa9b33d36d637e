/** The charts over a range, and the figures that are true now, as the daemon measures them. */
import { computed, onScopeDispose, watch, type Ref } from 'vue'

import { api } from '@/shared/api/client'
import { clock, moment } from '@/shared/lib/format'
import { useLoad } from '@/shared/lib/useLoad'
import { usePrefs } from '@/shared/stores/prefs'

import { timesOf } from './charts'
import { newest } from './history'

export const RANGES = { '15m': '15 minutes', '1h': '1 hour', '6h': '6 hours', '24h': '24 hours', '7d': '7 days', '30d': '30 days' } as const
/** Hours, and as many points as make buckets of 30 s, 30 s, 5 min, 15 min, 1 h and 4 h. */
const SPANS: Readonly<Record<string, readonly [hours: number, points: number]>> = { '15m': [0.25, 31], '1h': [1, 121], '6h': [6, 73], '24h': [24, 97], '7d': [168, 169], '30d': [720, 181] }
const SHORTEST = [0.25, 31] as const
const TILES = ['replication_lag_s', 'retention_margin_h', 'memory_mb', 'disk_free_mb', 'host_cpu_percent']
const HOUR_MS = 3_600_000
const LONG_MS = 12 * HOUR_MS
/** The daemon keeps a sample every ten seconds. */
const AGAIN_MS = 10_000
const FRESH_MS = 120_000
const SHORT_H = 1
const SELDOM_MS = 60_000

export function useFigures(range: Ref<string>) {
  const { prefs } = usePrefs()
  const charts = useLoad((signal) => {
    const [hours, points] = SPANS[range.value] ?? SHORTEST
    return api.get('/api/dashboard/charts', { signal, query: { since: new Date(Date.now() - hours * HOUR_MS).toISOString(), points } })
  })
  // What is true now does not depend on the range of the curves.
  const recent = useLoad((signal) => api.get('/api/dashboard/history', { signal, query: { names: TILES, since: new Date(Date.now() - FRESH_MS).toISOString(), points: 12 } }))
  void recent.reload()
  // A chart of days costs more to read, and moves less.
  let drawnAt = Date.now()
  const timer = setInterval(() => {
    void recent.again()
    if (Date.now() - drawnAt < ((SPANS[range.value] ?? SHORTEST)[0] > SHORT_H ? SELDOM_MS : 0)) return
    drawnAt = Date.now()
    void charts.again()
  }, AGAIN_MS)
  onScopeDispose(() => { clearInterval(timer) })
  watch(range, () => { void charts.reload() }, { immediate: true })

  const times = computed(() => (charts.data.value ? timesOf(charts.data.value) : []))
  /** Over half a day a time alone is not enough. */
  const long = computed(() => (times.value.at(-1) ?? 0) - (times.value[0] ?? 0) > LONG_MS)
  const labels = computed(() => times.value.map((at) => (long.value ? moment(new Date(at).toISOString(), prefs.zone).slice(5, 16) : clock(at, prefs.zone).slice(0, (charts.data.value?.bucket_s ?? 0) % 60 ? 8 : 5))))
  const now = computed(() => newest(recent.data.value, Date.now() - FRESH_MS))
  return { charts, times, labels, now }
}
