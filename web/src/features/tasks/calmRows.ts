/** Which rows of a long live table are drawn anew. Pure: figures nobody can see wait, changes of state never do. */
import type { TableProgress } from '@/shared/api/types'
import { tableName } from '@/shared/lib/format'

export type Rows = ReadonlyMap<string, TableProgress>

/**
 * The rows to draw, by name. A row keeps the object it had, which costs nothing to draw again, unless it is
 * in sight, its state changed, or it is its turn.
 */
export function calmRows(drawn: Rows, present: readonly TableProgress[], inSight: (name: string) => boolean, turn: (place: number) => boolean): Rows {
  const next = new Map<string, TableProgress>()
  for (const [place, one] of present.entries()) {
    const name = tableName(one.table)
    const old = drawn.get(name)
    next.set(name, old && !turn(place) && !inSight(name) && sameState(old, one) ? old : one)
  }
  return next
}

function sameState(a: TableProgress, b: TableProgress): boolean {
  return a.phase === b.phase && a.retries === b.retries && a.error === b.error && a.warning === b.warning
}
