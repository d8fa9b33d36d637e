/** How many tables of a task stand where, in the order they go through it. Pure. */
import type { TablePhase, TableProgress } from '@/shared/api/types'

const ORDER: readonly TablePhase[] = ['waiting', 'planning', 'loading', 'committing', 'streaming', 'completed', 'retrying', 'stopped', 'skipped', 'failed']

export type PhaseCount = readonly [phase: TablePhase, tables: number]

export function phaseCounts(tables: readonly TableProgress[]): PhaseCount[] {
  const counted = new Map<TablePhase, number>()
  for (const { phase } of tables) counted.set(phase, (counted.get(phase) ?? 0) + 1)
  return ORDER.flatMap((phase) => {
    const found = counted.get(phase)
    return found === undefined ? [] : [[phase, found] as const]
  })
}

/** Nothing moves in these any more. */
export const FINAL: ReadonlySet<TablePhase> = new Set<TablePhase>(['completed', 'failed', 'stopped', 'skipped'])

/** What there is to tell of tables: when loads end, how streams go on, or what a run that is over took. */
export type Shown = 'loads' | 'streams' | 'ended'

export function shownOf(tables: readonly TableProgress[]): Shown {
  if (tables.every((one) => FINAL.has(one.phase))) return 'ended'
  return tables.some((one) => one.phase !== 'streaming' && !FINAL.has(one.phase)) ? 'loads' : 'streams'
}
