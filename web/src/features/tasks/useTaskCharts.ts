/** The curves of one task while it is looked at: rows a second, the worst lag, and what happened meanwhile. */
import { computed, shallowRef, watch } from 'vue'

import type { Execution, TableProgress, TaskStatus } from '@/shared/api/types'
import { clock } from '@/shared/lib/format'
import { useLive } from '@/shared/live/live.store'
import { usePrefs } from '@/shared/stores/prefs'
import type { Series } from '@/shared/ui/LineChart.vue'

import { marksOn, ofExecutions, ofStatus, type Happening } from './chartMarks'

const KEPT = 240
const EVERY_MS = 1000

export function useTaskCharts(id: number, tables: () => readonly TableProgress[], status: () => TaskStatus | undefined, executions: () => readonly Execution[]) {
  const live = useLive()
  const { prefs } = usePrefs()
  const lags = shallowRef<readonly { at: number; lag_s: number }[]>([])
  const told = shallowRef<readonly Happening[]>([])

  watch(tables, (now) => {
    const known = now.flatMap((one) => one.lag_s ?? [])
    const at = Date.now()
    if (!known.length || at - (lags.value.at(-1)?.at ?? 0) < EVERY_MS) return
    lags.value = [...lags.value.slice(1 - KEPT), { at, lag_s: Math.max(...known) }]
  }, { immediate: true })
  // Only a change is seen as it happens: what a task already was when somebody came is no happening.
  watch(status, (now, was) => { if (now && was) told.value = [...told.value, ...ofStatus(now, Date.now())] })

  const happenings = computed(() => [...ofExecutions(executions()), ...told.value])
  const points = computed(() => live.rates.get(String(id)) ?? [])
  const rates = computed(() => ({
    labels: points.value.map((point) => clock(point.at, prefs.zone)),
    times: points.value.map((point) => point.at),
    series: [{ name: 'Rows a second', values: points.value.map((point) => point.rows_s), tone: 'primary' }] satisfies Series[],
    marks: marksOn(points.value.map((point) => point.at), happenings.value),
  }))
  const lag = computed(() => ({
    labels: lags.value.map((point) => clock(point.at, prefs.zone)),
    times: lags.value.map((point) => point.at),
    series: [{ name: 'Worst lag', values: lags.value.map((point) => point.lag_s), tone: 'warning' }] satisfies Series[],
    marks: marksOn(lags.value.map((point) => point.at), happenings.value),
  }))
  return { rates, lag }
}
