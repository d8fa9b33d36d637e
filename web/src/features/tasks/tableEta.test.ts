import { describe, expect, it } from 'vitest'

import { tableEta } from './tableEta'

const START = Date.parse('2026-01-01T00:00:00Z')

function watched() {
  let at = START
  const eta = tableEta(() => at)
  return (rows_s: number, rows_done: number, after_s = 1) => {
    at += after_s * 1000
    return eta({ rows_done, rows_total: 10_000, rows_s, eta_s: (10_000 - rows_done) / rows_s, loading_at: null })
  }
}

describe('the time one table still takes', () => {
  it('is not told before there is enough to tell it from', () => {
    const eta = watched()
    expect(eta(100, 100)).toBe('—')
    expect(eta(100, 1000, 9)).toBe('1 min 30 s')
  })

  it('is a range where the rate went up and down', () => {
    const eta = watched()
    for (const rate of [100, 50, 100, 50, 100, 50, 100, 50, 100, 50]) eta(rate, 1000)
    expect(eta(100, 1000)).toBe('1 min 30 s to 3 min')
  })

  it('forgets rates of long ago', () => {
    const eta = watched()
    for (const rate of [10, 200, 10]) eta(rate, 1000)
    for (let second = 0; second < 40; second += 1) eta(100, 1000)
    expect(eta(100, 1000)).toBe('1 min 30 s')
  })

  it('counts from when the load began, however late somebody looks', () => {
    const eta = tableEta(() => START)
    expect(eta({ rows_done: 1000, rows_total: 10_000, rows_s: 100, eta_s: 90, loading_at: '2025-12-31T23:59:00Z' })).toBe('1 min 30 s')
  })

  it('is nothing for a table that has no end', () => {
    expect(tableEta(() => START)({ rows_done: 5, rows_total: null, rows_s: 1, eta_s: null, loading_at: null })).toBe('—')
  })
})
