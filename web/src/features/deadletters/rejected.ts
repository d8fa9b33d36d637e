/** What a file of rejected rows is about, in words, and as a file to take along. Pure. */
import type { DeadLetterRows } from '@/shared/api/types'

const STREAM = /^changes-([0-9a-f]+)-([0-9a-f]+)$/
const LOAD = /^load-(.+)$/
const STEP = /^\$\.transformations\[(\d+)\](?:\.steps\[(\d+)\])?/

/** `load-3` as `load, chunk 3`; `changes-a-b` as the positions between which the rows changed. */
export function workText(work: string): string {
  const stream = STREAM.exec(work)
  if (stream) return `changes up to ${stream[2] ?? ''}`
  const load = LOAD.exec(work)
  return load ? `load, chunk ${load[1] ?? ''}` : work
}

export function streams(work: string): boolean {
  return STREAM.test(work)
}

/** `$.transformations[1].steps[0]` as people count: rule 2, step 1. */
export function stepText(path: string): string {
  const found = STEP.exec(path)
  if (!found) return path
  return `rule ${String(Number(found[1]) + 1)}${found[2] === undefined ? '' : `, step ${String(Number(found[2]) + 1)}`}`
}

/** RFC 4180, one line a row; what is NULL stays empty and without quotes. */
export function csvOf(rows: Pick<DeadLetterRows, 'columns' | 'items'>): string {
  const head = ['_reason', '_step', '_column', ...rows.columns].map(cell)
  const lines = rows.items.map((row) => [cell(row.reason), cell(row.step), cell(row.column), ...row.values.map(cell)].join(','))
  return [head.join(','), ...lines].join('\r\n')
}

function cell(text: string | null): string {
  return text === null ? '' : `"${text.replaceAll('"', '""')}"`
}
