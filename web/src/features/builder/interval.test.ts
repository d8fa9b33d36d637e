import { describe, expect, it } from 'vitest'

import { inUnit, secondsOf, unitOf } from './interval'

describe('an interval', () => {
  it.each([[null, 'min'], [45, 's'], [300, 'min'], [5400, 'min'], [7200, 'h'], [86_400, 'd'], [90_000, 'h']] as const)('of %s seconds is given in %s', (seconds, unit) => {
    expect(unitOf(seconds)).toBe(unit)
  })

  it('goes there and back', () => {
    expect(inUnit(5400, 'min')).toBe(90)
    expect(inUnit(null, 'h')).toBeNull()
    expect([secondsOf('90', 'min'), secondsOf('1,5', 'h'), secondsOf('2', 'd'), secondsOf('soon', 's'), secondsOf('', 's')]).toEqual([5400, 5400, 172_800, null, null])
  })
})
