import { expect, it } from 'vitest'

import type { AuditEntry } from '@/shared/api/types'

import { placeOf, pretty } from './auditEntry'

it('writes JSON over lines, and anything else as it is', () => {
  expect(pretty('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}')
  expect(pretty('cut off {')).toBe('cut off {')
  expect(pretty(null)).toBe('')
})

it.each([['/api/tasks/7', '/tasks/7'], ['/api/tasks/7/control', '/tasks/7'], ['/api/connectors/12', '/connectors/12'], ['/api/users/3', null], ['/api/tasks/7x', null]])('%s is shown at %s', (object, place) => {
  expect(placeOf({ object } as AuditEntry)).toBe(place)
})
