/** Numbers, sizes and times as people read them. A value that is not known is a dash, never 0. */
import { shallowRef } from 'vue'

export const NONE = '—'
const WHOLE = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })
const ONE_DIGIT = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 })

export function count(value: number | null | undefined): string {
  return value == null ? NONE : WHOLE.format(value)
}

/** How often something was tried again: `1 retry`, `12 retries`, nothing for never. */
export function retried(times: number | null | undefined): string {
  return times ? `${count(times)} ${times === 1 ? 'retry' : 'retries'}` : ''
}

/** 41,2 million as `41.2 M`: for tiles, where there is no room for digits. */
export function short(value: number | null | undefined): string {
  if (value == null) return NONE
  for (const [limit, unit] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e4, 'k'],
  ] as const) {
    if (Math.abs(value) >= limit) return `${ONE_DIGIT.format(value / (unit === 'k' ? 1e3 : limit))} ${unit}`
  }
  return WHOLE.format(value)
}

export function rate(value: number | null | undefined): string {
  return value == null || value <= 0 ? NONE : WHOLE.format(value)
}

export type Units = 'si' | 'iec'
const UNITS: Readonly<Record<Units, readonly [step: number, names: readonly string[]]>> = {
  si: [1000, ['B', 'kB', 'MB', 'GB', 'TB', 'PB']],
  iec: [1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']],
}
const chosen = shallowRef<Units>('si')

/** In which units sizes are written from now on: everything that shows one is drawn anew. */
export function writeSizesIn(units: Units): void {
  chosen.value = units
}

const MEGABYTE = 1e6
const MEBIBYTE = 1024 ** 2

/** What `megabytes` counts: `MB` or `MiB`. */
export function megabyteName(): string {
  return UNITS[chosen.value][1][2] ?? ''
}

/** A rate or size in millions of bytes, in the unit people chose; without its name, for columns that bear it. */
export function megabytes(value: number | null | undefined): string {
  if (value == null || value <= 0) return NONE
  return ONE_DIGIT.format(chosen.value === 'iec' ? (value * MEGABYTE) / MEBIBYTE : value)
}

export function bytes(value: number | null | undefined): string {
  if (value == null) return NONE
  const [step, units] = UNITS[chosen.value]
  let rest = value
  let at = 0
  // What would be written as 1,000 of a unit is one of the next.
  while (rest >= step - 0.05 && at < units.length - 1) {
    rest /= step
    at += 1
  }
  return `${at === 0 ? WHOLE.format(rest) : ONE_DIGIT.format(rest)} ${units[at] ?? ''}`
}

/** Two units at most: `1 h 12 min`, `12 min 15 s`, `4.2 s`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NONE
  if (seconds <= 0) return '0 s'
  if (seconds < 1) return `${WHOLE.format(seconds * 1000)} ms`
  if (seconds < 10) return `${ONE_DIGIT.format(seconds)} s`
  const whole = Math.round(seconds)
  for (const [size, unit, below, smaller] of [
    [86_400, 'd', 3600, 'h'],
    [3600, 'h', 60, 'min'],
    [60, 'min', 1, 's'],
  ] as const) {
    if (whole >= size) {
      const rest = Math.floor((whole % size) / below)
      return `${WHOLE.format(Math.floor(whole / size))} ${unit}${rest ? ` ${String(rest)} ${smaller}` : ''}`
    }
  }
  return `${String(whole)} s`
}

/** What is left of a load. Nothing is left of one that goes on for ever, which is no time. */
export function eta(seconds: number | null | undefined): string {
  return seconds ? duration(seconds) : NONE
}

/** Below this age of a run nobody can tell when it ends. */
const ETA_FROM_S = 10
const ETA_LOOKS_BACK_MS = 30_000
const ETA_FEWEST = 3
const STEADY = 0.3

export interface Running {
  rows_done: number
  rows_total: number | null
  eta_s: number | null
  elapsed_s: number
}

/**
 * What is left of a load: nothing before there is enough to tell it from, and from a to b where its rate varied by
 * over 30 % lately. `rates` are rows a second, the newest last.
 */
export function etaOf(run: Running | null | undefined, rates: readonly { at: number; rows_s: number }[] = []): string {
  if (!run?.eta_s || run.elapsed_s < ETA_FROM_S) return NONE
  const last = rates.at(-1)?.at ?? 0
  const lately = rates.filter(({ at, rows_s }) => rows_s > 0 && last - at <= ETA_LOOKS_BACK_MS).map(({ rows_s }) => rows_s)
  const [least, most] = [Math.min(...lately), Math.max(...lately)]
  const left = run.rows_total === null ? null : run.rows_total - run.rows_done
  if (left === null || left <= 0 || lately.length < ETA_FEWEST || most - least <= STEADY * (most + least) / 2) return duration(run.eta_s)
  const [soonest, latest] = [duration(left / most), duration(left / least)]
  return soonest === latest ? soonest : `${soonest} to ${latest}`
}

/** Share of a known total; null while the total is not known. */
export function share(done: number | null | undefined, total: number | null | undefined): number | null {
  if (done == null || total == null) return null
  if (total <= 0) return done > 0 ? null : 100
  return Math.min(100, (done / total) * 100)
}

export function percent(value: number | null): string {
  if (value == null) return NONE
  // 99.96 % of a table is not all of it.
  return `${WHOLE.format(value < 100 ? Math.min(Math.floor(value), 99) : 100)} %`
}

export type Zone = 'local' | 'utc'
// Made once: making one takes longer than a hundred uses of it, and live pages format hundreds of times a second.
const UTC = { timeZone: 'UTC' } as const
const MOMENT = { dateStyle: 'short', timeStyle: 'medium' } as const
const MOMENTS: Readonly<Record<Zone, Intl.DateTimeFormat>> = { local: new Intl.DateTimeFormat('sv-SE', MOMENT), utc: new Intl.DateTimeFormat('sv-SE', { ...MOMENT, ...UTC }) }

export function moment(iso: string | null | undefined, zone: Zone): string {
  if (!iso) return NONE
  const text = MOMENTS[zone].format(new Date(iso))
  return zone === 'utc' ? `${text} UTC` : text
}

/** `09:05:00`. By hand: a chart has hundreds of these, and each second a new one. */
export function clock(ms: number, zone: Zone): string {
  const at = new Date(ms)
  const parts = zone === 'utc' ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()] : [at.getHours(), at.getMinutes(), at.getSeconds()]
  return parts.map((part) => String(part).padStart(2, '0')).join(':')
}

/** `3 min ago`, `in 2 h`: for lists, with the exact moment beside it. */
export function ago(iso: string | null | undefined, now: number): string {
  if (!iso) return NONE
  const seconds = (now - new Date(iso).getTime()) / 1000
  if (Math.abs(seconds) < 5) return 'now'
  const text = duration(Math.abs(seconds)).split(' ').slice(0, 2).join(' ')
  return seconds > 0 ? `${text} ago` : `in ${text}`
}

export function tableName(table: { schema: string; name: string }): string {
  return `${table.schema}.${table.name}`
}

/** The first letter large, as buttons and headings are written. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
