import { expect, it } from 'vitest'

import { tickOf } from './chartOptions'

it('writes seconds on the axis only where minutes are too coarse', () => {
  expect(tickOf('08:03:20', '08:00:00', '08:04:50')).toBe('08:03:20')
  expect(tickOf('08:03:20', '08:00:00', '08:15:00')).toBe('08:03')
  expect(tickOf('00:01:10', '23:50:00', '00:05:00')).toBe('00:01')
  expect(tickOf('08:03', '08:00', '09:00')).toBe('08:03')
  expect(tickOf('11-28 08:03', '11-27 08:00', '11-28 08:00')).toBe('11-28 08:03')
})
