import { expect, it } from 'vitest'

import { newest, pointsOf } from './history'

const point = (at: string, least: number, average: number, most: number) => ({ at, least, average, most })
const HISTORY = {
  series: [
    { name: 'replication_lag_s', points: [point('2026-11-27T10:00:00Z', 1, 2, 3), point('2026-11-27T10:01:00Z', 4, 5, 6)] },
    { name: 'retention_margin_h', points: [point('2026-11-27T10:01:00Z', 70, 71, 72)] },
    { name: 'memory_mb', points: [point('2026-11-27T09:00:00Z', 1, 1, 1)] },
  ],
}
const SINCE = Date.parse('2026-11-27T10:00:30Z')

it('takes the worst of the last stretch, and nothing old for new', () => {
  expect(newest(HISTORY, SINCE)).toEqual({ lag_s: 6, margin_h: 70, memory_mb: null, disk_free_mb: null, cpu_percent: null })
  expect(newest(null, SINCE)).toEqual({ lag_s: null, margin_h: null, memory_mb: null, disk_free_mb: null, cpu_percent: null })
})

it('knows no points of what was not kept', () => {
  expect(pointsOf(HISTORY, 'credits')).toEqual([])
  expect(pointsOf(HISTORY, 'replication_lag_s')).toHaveLength(2)
})
