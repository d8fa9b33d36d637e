import { expect, it } from 'vitest'

import type { TablePhase, TableProgress } from '@/shared/api/types'

import { phaseCounts } from './phases'

const tables = (...phases: TablePhase[]): TableProgress[] => phases.map((phase, at) => ({ table: { schema: 'dbo', name: String(at) }, phase }))

it('counts tables by where they stand, in the order they go through it', () => {
  expect(phaseCounts(tables('streaming', 'failed', 'loading', 'streaming', 'waiting'))).toEqual([['waiting', 1], ['loading', 1], ['streaming', 2], ['failed', 1]])
  expect(phaseCounts([])).toEqual([])
})
