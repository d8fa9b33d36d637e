import { expect, it } from 'vitest'

import { bodyOf, isSame, queryOf, viewsOf, wrongName } from './views'

it('keeps filters and order, and nothing else of the address', () => {
  expect(queryOf({ q: 'shop', status: 'failed', tab: 'live', mode: '', sort: ['a', 'b'] })).toEqual({ q: 'shop', status: 'failed' })
})

it('comes back as it was kept', () => {
  const query = { status: 'failed', sort: '-last_run_at' }
  const [view] = viewsOf([{ name: 'broken', body: bodyOf(query) }])
  expect(view).toEqual({ name: 'broken', query })
  expect(view && isSame(view, { ...query, page: '2' })).toBe(true)
  expect(view && isSame(view, { ...query, q: 'x' })).toBe(false)
})

it('leaves alone what is not of this list', () => {
  expect(viewsOf([{ name: 'a', body: null }, { name: 'b', body: { list: 'connectors', query: {} } }, { name: 'c', body: { list: 'tasks' } }])).toEqual([])
})

it.each([['', 'Write a name.'], ['  ', 'Write a name.'], ['a/b', 'A name has no slash.'], ['x'.repeat(61), 'At most 60 characters.'], ['nightly · failed', null]])('%j', (name, wrong) => {
  expect(wrongName(name)).toBe(wrong)
})
