import { effectScope, nextTick } from 'vue'
import { afterEach, expect, it } from 'vitest'

import { readIds, useSelection } from './useSelection'

afterEach(() => { sessionStorage.clear() })

it('is the same after a reload, and gone when the list was left', async () => {
  const first = effectScope().run(() => useSelection('tasks'))
  first?.toggle(3)
  first?.toggle(5)
  first?.toggle(3)
  await nextTick()
  const reloaded = effectScope()
  const again = reloaded.run(() => useSelection('tasks'))
  expect([...(again?.chosen.value ?? [])]).toEqual([5])
  reloaded.stop()
  expect([...(effectScope().run(() => useSelection('tasks'))?.chosen.value ?? [])]).toEqual([])
})

it('chooses all that are shown, or none of them', () => {
  const found = effectScope().run(() => useSelection('connectors'))
  found?.toggle(9)
  found?.toggleAll([1, 2])
  expect([...(found?.chosen.value ?? [])]).toEqual([1, 2])
  found?.toggleAll([1, 2])
  expect(found?.chosen.value.size).toBe(0)
})

it('takes nothing from what is no list of ids', () => {
  expect([...readIds('[1,"2",null,3]')]).toEqual([1, 3])
  expect(readIds('{').size).toBe(0)
  expect(readIds('{"a":1}').size).toBe(0)
  expect(readIds(null).size).toBe(0)
})
