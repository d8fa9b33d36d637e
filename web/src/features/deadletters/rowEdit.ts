/** A rejected row as fields, and what of it was changed. Pure. */
import type { DeadLetterRow, DeadLetterRows } from '@/shared/api/types'

export interface Cell {
  column: string
  type: string
  text: string
  isNull: boolean
  required: boolean
  /** The server showed only the beginning: what is not there cannot be edited. */
  cut: boolean
}

export function cellsOf(rows: Pick<DeadLetterRows, 'columns' | 'types' | 'required' | 'longest'>, row: Pick<DeadLetterRow, 'values'>): Cell[] {
  return rows.columns.map((column, at) => {
    const value = row.values[at] ?? null
    return {
      column,
      type: rows.types[at] ?? '',
      text: value ?? '',
      isNull: value === null,
      required: rows.required.includes(column),
      cut: (value?.length ?? 0) > (rows.longest ?? Infinity),
    }
  })
}

/** Only what differs: a value that was not touched is not written again. */
export function changesOf(cells: readonly Cell[], row: Pick<DeadLetterRow, 'values'>): Record<string, string | null> {
  const changed = cells.flatMap((cell, at) => {
    const now = cell.isNull ? null : cell.text
    return cell.cut || now === (row.values[at] ?? null) ? [] : [[cell.column, now] as const]
  })
  return Object.fromEntries(changed)
}
