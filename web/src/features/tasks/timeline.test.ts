import { expect, it } from 'vitest'

import { barStyle, placeOf, segmentsOf, spanScale, ticksOf, wholeScale, zoomed } from './timeline'

const HOUR = 3_600_000
const iso = (hour: number) => new Date(hour * HOUR).toISOString()

it('zooms through the spans and stops at both ends', () => {
  expect(['', '720', '1'].map((span) => zoomed(span, -1))).toEqual(['720', '168', '1'])
  expect(['1', '720', ''].map((span) => zoomed(span, 1))).toEqual(['6', '', ''])
  expect(zoomed('nonsense', -1)).toBe('720')
})

it('keeps the line of now inside', () => {
  const scale = spanScale(6, 100 * HOUR)
  expect(placeOf(scale, 100 * HOUR)).toBeGreaterThan(90)
  expect(placeOf(scale, 100 * HOUR)).toBeLessThan(100)
  const open = wholeScale([[0, HOUR]], 2 * HOUR, true)
  expect(placeOf(open, 2 * HOUR)).toBeLessThan(100)
  expect(wholeScale([[0, HOUR]], 2 * HOUR, false)).toEqual({ from: 0, until: HOUR })
  expect(wholeScale([[5, 5]], 0, false)).toEqual({ from: 5, until: 1005 })
})

it('cuts bars at the borders and shows the shortest', () => {
  const scale = { from: 0, until: 1000 }
  expect(barStyle(scale, -500, 500)).toEqual({ left: '0%', width: '50%' })
  expect(barStyle(scale, 900, 5000)).toEqual({ left: '90%', width: '10%' })
  expect(barStyle(scale, 1000, 1000)).toEqual({ left: '99.4%', width: '0.6%' })
})

it('tells what a table did when', () => {
  const stretches = (table: Parameters<typeof segmentsOf>[0]) => segmentsOf(table, 10 * HOUR).map((one) => [one.stretch, one.from / HOUR, one.until / HOUR])
  expect(stretches({})).toEqual([])
  expect(stretches({ started_at: iso(1) })).toEqual([['preparing', 1, 10]])
  expect(stretches({ started_at: iso(1), loading_at: iso(2) })).toEqual([['preparing', 1, 2], ['copying', 2, 10]])
  expect(stretches({ started_at: iso(1), loading_at: iso(2), loaded_at: iso(3), completed_at: iso(3) })).toEqual([['preparing', 1, 2], ['copying', 2, 3]])
  expect(stretches({ started_at: iso(1), loading_at: iso(2), loaded_at: iso(3), position: '00' })).toEqual([['preparing', 1, 2], ['copying', 2, 3], ['streaming', 3, 10]])
  expect(stretches({ started_at: iso(1), position: '00', completed_at: iso(4) })).toEqual([['streaming', 1, 4]])
})

it('writes no moment twice under an axis, and days only where it has several', () => {
  const short = ticksOf({ from: 10 * HOUR, until: 10 * HOUR + 2000 }, 'utc')
  expect(short).toEqual(['10:00:00.0', '10:00:00.5', '10:00:01.0', '10:00:01.5', '10:00:02.0'])
  expect(ticksOf({ from: 0, until: 4 * HOUR }, 'utc')).toEqual(['00:00:00', '01:00:00', '02:00:00', '03:00:00', '04:00:00'])
  expect(ticksOf({ from: 0, until: 48 * HOUR }, 'utc')[1]).toBe('01-01 12:00')
})
