import { expect, it } from 'vitest'

import type { TablePhase, TaskView } from '@/shared/api/types'

import { rowActions } from './rowActions'

type Given = Pick<TaskView, 'status' | 'mode' | 'allowed_actions'>
const RUNNING: Given = { status: 'running', mode: 'full_load', allowed_actions: ['pause', 'stop'] }
const STREAMING: Given = { status: 'streaming', mode: 'cdc', allowed_actions: ['pause', 'stop'] }
const RESTING: Given = { status: 'idle', mode: 'full_load', allowed_actions: ['start'] }
const ALL = { steer: true, rejected: true }
const acts = (phase: TablePhase, task: Given, may = ALL, rejected = 0) => rowActions({ phase, rejected }, task, may).map((one) => one.act)

it.each<[TablePhase, Given, string[]]>([
  ['loading', RUNNING, ['skip']],
  ['failed', RUNNING, ['retry', 'skip']],
  ['skipped', RUNNING, ['retry']],
  ['completed', RUNNING, []],
  ['committing', RUNNING, []],
  ['streaming', STREAMING, ['skip', 'copy']],
  ['skipped', STREAMING, ['retry', 'copy']],
  ['failed', RESTING, ['load', 'copy']],
  ['completed', RESTING, ['copy']],
  ['failed', { ...RESTING, mode: 'full_load_then_cdc' }, ['copy']],
  ['loading', { ...RUNNING, status: 'pausing' }, []],
])('%s of a task that is %j: %j', (phase, task, expected) => {
  expect(acts(phase, task)).toEqual(expected)
})

it('offers viewers nothing that changes something, and rejected rows where there are some', () => {
  expect(acts('loading', RUNNING, { steer: false, rejected: false }, 3)).toEqual([])
  expect(acts('loading', RUNNING, { steer: false, rejected: true }, 3)).toEqual(['rejected'])
  expect(acts('completed', RESTING, ALL, 3)).toEqual(['copy', 'rejected'])
})
