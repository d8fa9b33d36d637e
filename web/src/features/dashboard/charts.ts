/** The daemon's charts as curves. Pure. */
import type { DashboardCharts, LiveTask, TaskCurve } from '@/shared/api/types'
import { bytes, short } from '@/shared/lib/format'
import type { Series } from '@/shared/ui/chartOptions'

export type Unit = 'rows_s' | 'mb_s'
const TONES = ['primary', 'teal', 'violet', 'success', 'warning'] as const
const SAMPLE_S = 30

/** The API counts data in millions of bytes. */
export const MB = 1_000_000

/** What a curve of the throughput says at a point: rows, or bytes in the units people chose. */
export function paceOf(unit: Unit, value: number): string {
  return unit === 'mb_s' ? `${bytes(value * MB)}/s` : short(value)
}

/** Milliseconds since 1970 at which each bucket begins. */
export function timesOf(charts: DashboardCharts): number[] {
  const first = Date.parse(charts.since)
  return Array.from({ length: charts.buckets }, (_, at) => first + at * charts.bucket_s * 1000)
}

/**
 * What each task moved, one on top of the other. The daemon measures every half minute; of the bucket that goes on
 * now this page knows more, where a bucket is no longer than that.
 */
export function throughputOf(charts: DashboardCharts, unit: Unit, running: readonly LiveTask[]): Series[] {
  const curves = charts.bucket_s > SAMPLE_S ? charts.throughput : withNow(charts, running)
  const names = new Map<string, number>()
  return curves.map((one, at) => {
    const name = one.task_id === null ? 'other tasks' : (one.name ?? `task ${String(one.task_id)}, deleted`)
    const same = (names.get(name) ?? 0) + 1
    names.set(name, same)
    return { name: same > 1 ? `${name} (${String(one.task_id)})` : name, values: one[unit], tone: one.task_id === null ? 'info' : (TONES[at] ?? 'info') }
  })
}

function withNow(charts: DashboardCharts, running: readonly LiveTask[]): readonly TaskCurve[] {
  const busy = new Map(running.flatMap(({ task, progress }) => (progress && progress.rows_s > 0 ? [[task.id, { task, progress }] as const] : [])))
  const last = charts.buckets - 1
  const known = charts.throughput.map((curve) => {
    const now = curve.task_id === null ? undefined : busy.get(curve.task_id)
    if (curve.task_id !== null) busy.delete(curve.task_id)
    return now ? { ...curve, rows_s: put(curve.rows_s, last, now.progress.rows_s), mb_s: put(curve.mb_s, last, now.progress.mb_s) } : curve
  })
  const named = known.filter((curve) => curve.task_id !== null)
  const others = known.filter((curve) => curve.task_id === null)
  const none = Array.from({ length: charts.buckets }, () => 0)
  const fresh = [...busy.values()].slice(0, TONES.length - named.length).map(({ task, progress }) => ({
    task_id: task.id, name: task.name, rows_s: put(none, last, progress.rows_s), mb_s: put(none, last, progress.mb_s),
  }))
  return [...named, ...fresh, ...others]
}

function put(values: readonly number[], at: number, value: number): number[] {
  return values.map((old, index) => (index === at ? value : old))
}

export function lagOf(charts: DashboardCharts): Series[] {
  return [{ name: 'Worst CDC lag', values: charts.lag_s, tone: 'warning' }]
}

export function runsOf({ runs }: DashboardCharts): Series[] {
  return [
    { name: '✓ completed', values: runs.completed, tone: 'success' },
    { name: '▲ partial', values: runs.partial, tone: 'warning' },
    { name: '✕ failed', values: runs.failed, tone: 'danger' },
    { name: '■ stopped', values: runs.stopped, tone: 'info' },
  ]
}

/** Where the list of tasks shows those that ran in a bucket. */
export function tasksAt(charts: DashboardCharts, index: number): { path: string; query: Record<string, string> } {
  const begin = Date.parse(charts.since) + index * charts.bucket_s * 1000
  return { path: '/tasks', query: { since: new Date(begin).toISOString(), until: new Date(begin + charts.bucket_s * 1000).toISOString() } }
}
