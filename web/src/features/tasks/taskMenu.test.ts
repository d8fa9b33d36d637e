import { expect, it } from 'vitest'

import { menuOf } from './taskMenu'

const keys = (given: object) => menuOf({ id: 7, allowed: ['start'], operator: true, offers: () => true, inList: true, ...given }).map(({ act }) => act)

it('offers what the state, the role and the server allow', () => {
  expect(keys({})).toEqual(['start', 'tables', 'again', 'plan', 'open', 'edit', 'clone', 'export', 'delete'])
  expect(keys({ allowed: ['pause', 'stop'] })).toEqual(['plan', 'open', 'edit', 'clone', 'export', 'delete'])
  expect(keys({ operator: false, offers: (name: string) => name === 'plan' })).toEqual(['plan', 'open'])
  expect(keys({ inList: false })).toEqual(['start', 'tables', 'again', 'plan'])
})
