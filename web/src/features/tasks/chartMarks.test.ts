import { expect, it } from 'vitest'

import type { Execution } from '@/shared/api/types'

import { marksOn, ofExecutions, ofStatus } from './chartMarks'

const execution = (id: number, status: string, started: string, completed: string | null) => ({ id, status, started_at: started, completed_at: completed }) as Execution

it('tells how executions began and ended', () => {
  const found = ofExecutions([execution(4, 'failed', '2026-11-27T10:00:00Z', '2026-11-27T10:00:09Z'), execution(5, 'running', '2026-11-27T10:00:20Z', null)])
  expect(found.map((one) => [one.text, one.tone])).toEqual([['▸ #4 began', 'busy'], ['✕ #4 failed', 'bad'], ['▸ #5 began', 'busy']])
})

it('marks what somebody did to a task, and what went wrong, not that it is at work', () => {
  expect(ofStatus('paused', 7)).toEqual([{ at: 7, text: '⏸ paused', tone: 'warn' }])
  expect(ofStatus('running', 7)).toEqual([])
})

it('places each on the point after it, or on the last, and leaves out what was before', () => {
  const at = (ms: number) => ({ at: ms, text: String(ms), tone: 'quiet' as const })
  expect(marksOn([10, 20, 30], [at(25), at(10), at(9), at(31)]).map((one) => [one.index, one.text])).toEqual([[0, '10'], [2, '25'], [2, '31']])
  expect(marksOn([], [at(1)])).toEqual([])
  expect(marksOn([0, 1000], Array.from({ length: 40 }, (_, ms) => at(ms)))).toHaveLength(12)
})
