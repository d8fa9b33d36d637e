import { describe, expect, it } from 'vitest'

import type { LiveTask } from '@/shared/api/types'

import { frozen, order, wanted } from './taskList'

function live(id: number, name: string, status = 'idle', rows = 0): LiveTask {
  return { task: { id, name, status, tags: id === 3 ? ['nightly'] : [], owner: id === 3 ? 'Ann' : '', mode: 'full_load', source_connector_id: 1, destination_connector_id: 2, last_run_at: null }, progress: rows ? { rows_s: rows } : null } as unknown as LiveTask
}
const ALL = [live(3, 'beta', 'running', 5), live(1, 'Alpha', 'failed'), live(2, 'alpha', 'paused')]
const NO = { find: '', status: '', mode: '', connector: '', tag: '', owner: '', health: '', sort: 'name' }

it('finds by name, state, health and connector', () => {
  const ids = (want: object) => wanted(ALL, { ...NO, ...want }, ({ task }) => (task.id === 1 ? 'lagging' : 'ok')).map(({ task }) => task.id)
  expect(ids({ find: ' ALPHA' })).toEqual([1, 2])
  expect(ids({ status: 'working' })).toEqual([3])
  expect(ids({ health: 'lagging' })).toEqual([1])
  expect(ids({ connector: '2' })).toEqual([3, 1, 2])
  expect(ids({ connector: '9' })).toEqual([])
  expect(ids({ tag: 'nightly' })).toEqual([3])
  expect(ids({ tag: 'night' })).toEqual([])
  expect(ids({ owner: 'Ann' })).toEqual([3])
  expect(ids({ find: 'night' })).toEqual([3])
})

describe('order', () => {
  it('is by name, equal ones by id', () => {
    expect(order(ALL, 'name')).toEqual([1, 2, 3])
    expect(order(ALL, '-rows_s')).toEqual([3, 1, 2])
  })
  it('stays while somebody looks: gone ones leave, new ones come last', () => {
    expect(frozen([3, 1, 2], [2, 3, 4])).toEqual([3, 2, 4])
  })
})
