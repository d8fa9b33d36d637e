import { expect, it } from 'vitest'

import type { TablePhase, TableProgress } from '@/shared/api/types'

import { phaseCounts, shownOf } from './phases'

const tables = (...phases: TablePhase[]): TableProgress[] => phases.map((phase, at) => ({ table: { schema: 'dbo', name: String(at) }, phase }))

it('counts tables by where they stand, in the order they go through it', () => {
  expect(phaseCounts(tables('streaming', 'failed', 'loading', 'streaming', 'waiting'))).toEqual([['waiting', 1], ['loading', 1], ['streaming', 2], ['failed', 1]])
  expect(phaseCounts([])).toEqual([])
})

it('tells what columns a run needs: until when, how far behind, or how long it took', () => {
  expect(shownOf(tables('streaming', 'loading'))).toBe('loads')
  expect(shownOf(tables('waiting'))).toBe('loads')
  expect(shownOf(tables('streaming', 'skipped'))).toBe('streams')
  expect(shownOf(tables('completed', 'failed'))).toBe('ended')
})
