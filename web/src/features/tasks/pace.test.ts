import { expect, it } from 'vitest'

import { heldUp, paceText, slowest, taskPace } from './pace'

const LOADING = { phase: 'loading', read_share: 0.93, transform_share: 0.02, write_share: 0.41, queued_batches: 3 } as const
const IDLE = { phase: 'streaming', read_share: 0.04, transform_share: 0, write_share: 0.01, queued_batches: 0 } as const
const UNKNOWN = { phase: 'waiting' } as const

it('names the part that is at work most of the time', () => {
  expect(heldUp(LOADING)).toBe('read 93 %')
  expect(heldUp({ ...LOADING, read_share: 0.2, write_share: 1 })).toBe('write 100 %')
  expect(heldUp({ ...LOADING, read_share: 0.2, transform_share: 0.7 })).toBe('steps 70 %')
  expect(paceText(LOADING)).toBe('reading 93 %, transforming 2 %, writing 41 % of the time; 3 batches wait for the destination')
  expect(paceText({ ...LOADING, phase: 'completed', queued_batches: 0 })).toBe('reading 93 %, transforming 2 %, writing 41 % of the time')
})

it('blames nothing that mostly waits, and says nothing of what was not measured', () => {
  expect(heldUp(IDLE)).toBe('')
  expect(heldUp(UNKNOWN)).toBe('')
  expect(paceText(UNKNOWN)).toBe('')
  expect(slowest(null)).toBeNull()
  expect(taskPace([UNKNOWN])).toBeNull()
})

it('takes the tables that move, or else those that moved', () => {
  const done = { ...LOADING, phase: 'completed', read_share: 0.1, write_share: 0.8, queued_batches: 0 } as const
  const told = (pace: ReturnType<typeof taskPace>) => [pace?.title, pace?.note.replaceAll('\u00a0', ' ')]
  expect(told(taskPace([LOADING, done, UNKNOWN]))).toEqual(['Reading', '93 % · steps 2 % · write 41 %'])
  expect(taskPace([LOADING])?.hint).toContain('3 batches queued')
  expect(told(taskPace([done, UNKNOWN]))).toEqual(['Writing', '80 % · read 10 % · steps 2 %'])
  expect(told(taskPace([IDLE]))).toEqual(['nothing', 'read 4 % · write 1 %'])
})
