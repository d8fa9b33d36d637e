import { describe, expect, it } from 'vitest'

import { ago, bytes, capital, clock, count, duration, eta, etaOf, megabyteName, megabytes, moment, percent, rate, retried, share, short, writeSizesIn } from './format'

describe('what is not known is a dash, never 0', () => {
  it.each([count(null), short(undefined), rate(0), bytes(null), duration(null), duration(Infinity), percent(null), moment(null, 'utc')])('%s', (text) => {
    expect(text).toBe('—')
  })
})

it.each([
  [0, '0 s'], [-3, '0 s'], [0.25, '250 ms'], [4.24, '4.2 s'], [59, '59 s'], [60, '1 min'], [735, '12 min 15 s'], [4320, '1 h 12 min'], [90_000, '1 d 1 h'],
])('duration %d is %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text)
})

it.each([[999, '999 B'], [1500, '1.5 kB'], [17_900_000, '17.9 MB'], [4e9, '4 GB']])('%d bytes are %s', (value, text) => {
  expect(bytes(value)).toBe(text)
})

it('writes sizes in the units somebody chose', () => {
  writeSizesIn('iec')
  expect([1023, 1024, 1536, 17_900_000, 2 ** 30, 1024 ** 2 - 1].map(bytes)).toEqual(['1,023 B', '1 KiB', '1.5 KiB', '17.1 MiB', '1 GiB', '1 MiB'])
  writeSizesIn('si')
  expect([1023, 999_960].map(bytes)).toEqual(['1 kB', '1 MB'])
})

it('writes rates of millions of bytes in the same units', () => {
  expect([megabytes(17.9), megabyteName()]).toEqual(['17.9', 'MB'])
  writeSizesIn('iec')
  expect([megabytes(17.9), megabyteName()]).toEqual(['17.1', 'MiB'])
  expect(megabytes(0)).toBe('—')
  writeSizesIn('si')
})

it('begins what stands alone with a capital', () => {
  expect([capital('every 1 h'), capital('')]).toEqual(['Every 1 h', ''])
})

describe('what is left of a run', () => {
  const run = { rows_done: 1000, rows_total: 13_000, eta_s: 120, elapsed_s: 30 }
  const at = (...rows: number[]) => rows.map((rows_s, index) => ({ at: index * 1000, rows_s }))
  it('is not told from less than ten seconds', () => {
    expect(etaOf({ ...run, elapsed_s: 9 }, at(100, 100, 100))).toBe('—')
    expect([etaOf(null), etaOf({ ...run, eta_s: null })]).toEqual(['—', '—'])
  })
  it('is one time while the rate is steady, and a range when it is not', () => {
    expect(etaOf(run, at(100, 110, 120))).toBe('2 min')
    expect(etaOf(run, at(100, 200, 50))).toBe('1 min to 4 min')
    expect(etaOf(run, at(100, 200))).toBe('2 min')
  })
  it('forgets rates of long ago, and pauses', () => {
    expect(etaOf(run, [{ at: 0, rows_s: 9 }, ...[60, 61, 62].map((s) => ({ at: s * 1000, rows_s: 100 })), { at: 63_000, rows_s: 0 }])).toBe('2 min')
  })
  it('is the estimate of the server where the total is not known', () => {
    expect(etaOf({ ...run, rows_total: null }, at(100, 200, 50))).toBe('2 min')
  })
})

it.each([[9999, '9,999'], [41_200, '41.2 k'], [40_800_000, '40.8 M'], [2.5e9, '2.5 G']])('%d in short is %s', (value, text) => {
  expect(short(value)).toBe(text)
})

describe('percent', () => {
  it('says 100 only of all of it', () => {
    expect(percent(share(9996, 10_000))).toBe('99 %')
    expect(percent(share(10_000, 10_000))).toBe('100 %')
  })
  it('is not known while the total is not, and whole for an empty table', () => {
    expect(share(5, null)).toBeNull()
    expect(share(0, 0)).toBe(100)
    expect(share(5, 0)).toBeNull()
  })
  it('never passes 100 when an estimate was too low', () => {
    expect(share(12, 10)).toBe(100)
  })
})

it('tells ages from a given moment', () => {
  const now = Date.parse('2026-01-01T12:00:00Z')
  expect(ago('2026-01-01T11:58:20Z', now)).toBe('1 min ago')
  expect(ago('2026-01-01T14:00:00Z', now)).toBe('in 2 h')
  expect(ago('2026-01-01T11:59:58Z', now)).toBe('now')
})

it('writes UTC beside the moment', () => {
  expect(moment('2026-01-31T10:00:05Z', 'utc')).toBe('2026-01-31 10:00:05 UTC')
})

it('writes a time of day as the clocks of both zones show it', () => {
  const at = new Date(2026, 10, 7, 9, 5, 3)
  expect(clock(at.getTime(), 'local')).toBe('09:05:03')
  expect(clock(Date.UTC(2026, 10, 7, 23, 0, 59), 'utc')).toBe('23:00:59')
})

it('has no time left to tell of where nothing is left or known', () => {
  expect([eta(null), eta(undefined), eta(0), eta(90)]).toEqual(['—', '—', '—', '1 min 30 s'])
})

it('counts tries in words', () => {
  expect([0, null, 1, 2, 1234].map(retried)).toEqual(['', '', '1 retry', '2 retries', '1,234 retries'])
})
