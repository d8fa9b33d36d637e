import { describe, expect, it } from 'vitest'

import type { LiveTask } from '@/shared/api/types'

import { healthOf, pauseCost } from './health'

function live(task: object, progress: object | null = null): LiveTask {
  return { task: { status: 'idle', mode: 'full_load', last_run_at: '2026-01-01T00:00:00Z', last_error: null, ...task }, progress } as unknown as LiveTask
}
const of = (task: object, progress: object | null = null, undecided = 0, seen = true) => healthOf(live(task, progress), undecided, seen).health

describe('health', () => {
  it('is ok only where something good was seen', () => {
    expect(of({ last_run_at: null })).toBe('unknown')
    expect(of({})).toBe('ok')
    expect(of({ last_error: 'no route' })).toBe('unknown')
    expect(of({ status: 'running' }, { lag_s: null })).toBe('ok')
    expect(of({ status: 'streaming' }, null)).toBe('unknown')
    expect(of({ status: 'streaming' }, { lag_s: 0 })).toBe('ok')
    expect(of({ status: 'streaming' }, { lag_s: 0 }, 0, false)).toBe('unknown')
    expect(of({ status: 'paused', mode: 'cdc' })).toBe('unknown')
  })
  it('lags from a minute on, and when changes are about to be lost', () => {
    expect(of({ status: 'streaming' }, { lag_s: 60 })).toBe('ok')
    expect(of({ status: 'streaming' }, { lag_s: 61 })).toBe('lagging')
    expect(of({ status: 'streaming' }, { lag_s: 1, warning: 'dbo.a: the capture job is stopped' })).toBe('lagging')
  })
  it('is drift before anything else: somebody must decide', () => {
    expect(of({ status: 'streaming' }, { lag_s: 900 }, 2)).toBe('drift')
    expect(of({ last_run_at: null }, null, 1, false)).toBe('drift')
  })
})

it('says what a pause of a stream costs, and nothing of a load', () => {
  expect(pauseCost('full_load', 71)).toBeNull()
  expect(pauseCost('cdc', 71)).toBe('Changes are kept for 2 d 23 h more; then a re-load is needed.')
  expect(pauseCost('full_load_then_cdc', null)).toContain('nobody knows')
  expect(pauseCost('cdc', 0)).toContain('already')
})
