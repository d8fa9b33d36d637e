/** What is left of one table, told from the rates it had lately. */
import type { TableProgress } from '@/shared/api/types'
import { etaOf, NONE } from '@/shared/lib/format'

type Loading = Pick<TableProgress, 'rows_done' | 'rows_total' | 'rows_s' | 'eta_s' | 'loading_at'>
const KEPT_MS = 30_000
const EVERY_MS = 1000

/** A function of the figures of one table as they come; it remembers the rates between its calls. */
export function tableEta(now: () => number = Date.now): (one: Loading) => string {
  const first = now()
  let rates: { at: number; rows_s: number }[] = []
  return (one) => {
    if (!one.eta_s) return NONE
    const at = now()
    const newest = rates.at(-1)
    if (!newest || at - newest.at >= EVERY_MS) rates = [...rates.filter((rate) => at - rate.at < KEPT_MS), { at, rows_s: one.rows_s ?? 0 }]
    // The daemon's clock may be another than this one: what was seen here counts too.
    const began = Math.min(first, one.loading_at ? Date.parse(one.loading_at) : first)
    return etaOf({ rows_done: one.rows_done ?? 0, rows_total: one.rows_total ?? null, eta_s: one.eta_s, elapsed_s: (at - began) / 1000 }, rates)
  }
}
