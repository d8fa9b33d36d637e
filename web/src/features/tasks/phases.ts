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
