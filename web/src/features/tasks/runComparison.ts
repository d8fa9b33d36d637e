/** Two executions of a task beside each other. Pure. */
import type { ExecutionView, TableProgress } from '@/shared/api/types'
import { bytes, count, duration, rate, tableName } from '@/shared/lib/format'
import { EXECUTION_LOOKS, PHASE_LOOKS } from '@/shared/lib/states'

export interface Line {
  what: string
  left: string
  right: string
  /** How much more or less the right one has, `''` where that says nothing. */
  change: string
}
export interface TableLine extends Line {
  /** Whether the two do not tell the same: other rows, another end, or a table only one of them has. */
  differs: boolean
}

const NONE = '—'

/** `+12 %`, `−3 %`, `same`; nothing where one is not known, or where nothing was before. */
export function changeOf(left: number | null | undefined, right: number | null | undefined): string {
  if (left == null || right == null) return ''
  if (left === right) return 'same'
  if (left === 0) return ''
  const percent = ((right - left) / Math.abs(left)) * 100
  const shown = Math.abs(percent) < 1 ? '<1' : count(Math.round(Math.abs(percent)))
  return `${percent > 0 ? '+' : '−'}${shown} %`
}

export function linesOf(left: ExecutionView, right: ExecutionView): Line[] {
  const line = (what: string, of: (one: ExecutionView) => string, number?: (one: ExecutionView) => number | null | undefined): Line =>
    ({ what, left: of(left), right: of(right), change: number ? changeOf(number(left), number(right)) : '' })
  return [
    line('Result', (one) => `${EXECUTION_LOOKS[one.status].icon} ${EXECUTION_LOOKS[one.status].text}`),
    line('Took', (one) => duration(one.duration_seconds), (one) => one.duration_seconds),
    line('Rows', (one) => count(one.processed_rows), (one) => one.processed_rows),
    line('Rows/s', (one) => rate(one.rows_per_second), (one) => one.rows_per_second),
    line('Data read', (one) => bytes(one.data_size_mb * 1e6), (one) => one.data_size_mb),
    line('Rejected rows', (one) => count(one.failed_rows), (one) => one.failed_rows),
    line('Tables', (one) => count(one.tables.length), (one) => one.tables.length),
    line('Error', (one) => one.error_message ?? NONE),
  ]
}

/** Every table of either, by name. */
export function tablesOf(left: ExecutionView, right: ExecutionView): TableLine[] {
  const [before, after] = [left, right].map((one) => new Map(one.tables.map((table) => [tableName(table.table), table]))) as [Map<string, TableProgress>, Map<string, TableProgress>]
  const names = [...new Set([...before.keys(), ...after.keys()])].sort()
  return names.map((what) => {
    const [one, two] = [before.get(what), after.get(what)]
    return { what, left: tableText(one), right: tableText(two), change: changeOf(one?.rows_done, two?.rows_done), differs: one?.rows_done !== two?.rows_done || one?.phase !== two?.phase }
  })
}

function tableText(table: TableProgress | undefined): string {
  if (!table) return 'not in it'
  const look = PHASE_LOOKS[table.phase]
  const took = table.started_at && table.completed_at ? ` · ${duration((Date.parse(table.completed_at) - Date.parse(table.started_at)) / 1000)}` : ''
  return `${look.icon} ${look.text} · ${count(table.rows_done)} rows${took}`
}

/** Two ids out of an address: `12,15`, the older first; null when it names anything else. */
export function pairOf(text: string): readonly [number, number] | null {
  const found = /^(\d{1,15}),(\d{1,15})$/.exec(text)
  if (!found) return null
  const [one, two] = [Number(found[1]), Number(found[2])]
  return one === two ? null : [Math.min(one, two), Math.max(one, two)]
}
