/** Bars on an axis of time: runs, and the phases of the tables in one. Pure; times are milliseconds since 1970. */
import type { TableProgress } from '@/shared/api/types'
import { clock, moment, type Zone } from '@/shared/lib/format'

export interface Scale {
  from: number
  until: number
}
const NARROWEST = 0.6
/** What is kept free behind now, so that its line is not the border. */
const AHEAD = 0.03
const HOUR_MS = 3_600_000
const LEAST_MS = 1000

/** The spans one zooms through, in hours; an empty one is all there is. */
export const SPANS: Readonly<Record<string, string>> = { '1': '1 hour', '6': '6 hours', '24': '24 hours', '168': '7 days', '720': '30 days', '': 'all shown' }
const ORDER = ['1', '6', '24', '168', '720', '']

/** The next smaller (-1) or larger (1) span; the same one at the end. */
export function zoomed(span: string, by: -1 | 1): string {
  const at = ORDER.indexOf(span in SPANS ? span : '')
  return ORDER[Math.min(ORDER.length - 1, Math.max(0, at + by))] ?? ''
}

/** A span that ends a little behind `end`, which is now unless one has gone back. */
export function spanScale(hours: number, end: number): Scale {
  const span = hours * HOUR_MS
  return { from: end - span, until: end + span * AHEAD }
}

/** All of some bars, and now where one of them goes on. */
export function wholeScale(bars: readonly (readonly [from: number, until: number])[], now: number, open: boolean): Scale {
  const from = Math.min(...bars.map(([began]) => began))
  const last = Math.max(from + LEAST_MS, ...bars.map(([, end]) => end), ...(open ? [now] : []))
  return { from, until: open ? last + (last - from) * AHEAD : last }
}

/** Where a moment lies, in percent; outside 0 to 100 when it is not on the axis. */
export function placeOf(scale: Scale, at: number): number {
  return ((at - scale.from) / (scale.until - scale.from)) * 100
}

const TICKS = [0, 0.25, 0.5, 0.75, 1]
const DAY_MS = 24 * HOUR_MS
/** Below it two ticks would bear the same second. */
const TENTHS_BELOW_MS = 8000

/** What stands at the ticks: tenths of a second on a short axis, and days only where they say something. */
export function ticksOf({ from, until }: Scale, zone: Zone): string[] {
  const span = until - from
  return TICKS.map((share) => {
    const at = from + share * span
    if (span > DAY_MS * 1.1) return moment(new Date(at).toISOString(), zone).slice(5, 16)
    return span < TENTHS_BELOW_MS ? `${clock(at, zone)}.${String(Math.floor((at % 1000) / 100))}` : clock(at, zone)
  })
}

/** The style of a bar, which is cut at the borders and never too narrow to be seen. */
export function barStyle(scale: Scale, from: number, until: number): { left: string; width: string } {
  const left = Math.max(0, placeOf(scale, from))
  const right = Math.min(100, placeOf(scale, until))
  return { left: `${String(Math.min(left, 100 - NARROWEST))}%`, width: `${String(Math.max(NARROWEST, right - left))}%` }
}

export const STRETCHES = ['preparing', 'copying', 'streaming'] as const
export type Stretch = (typeof STRETCHES)[number]
export interface Segment {
  stretch: Stretch
  from: number
  until: number
}
type Timed = Pick<TableProgress, 'started_at' | 'loading_at' | 'loaded_at' | 'completed_at' | 'position'>

/** What a table did from when to when; `now` ends what goes on. Nothing for one whose turn did not come. */
export function segmentsOf(table: Timed, now: number): Segment[] {
  if (!table.started_at) return []
  const at = (iso: string | null | undefined) => (iso ? Date.parse(iso) : null)
  const [began, loading, loaded, ended] = [at(table.started_at) ?? now, at(table.loading_at), at(table.loaded_at), at(table.completed_at) ?? now]
  const streams = table.position != null
  const found: Segment[] = []
  const add = (stretch: Stretch, from: number, until: number) => { if (until > from) found.push({ stretch, from, until }) }
  if (loading === null) {
    add(streams ? 'streaming' : 'preparing', began, ended)
    return found
  }
  add('preparing', began, Math.min(loading, ended))
  add('copying', loading, Math.min(loaded ?? ended, ended))
  if (loaded !== null && streams) add('streaming', loaded, ended)
  return found
}
