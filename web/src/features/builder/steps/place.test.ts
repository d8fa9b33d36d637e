import { expect, it } from 'vitest'

import { endOf, placeIn } from './place'

it('finds the place the server names', () => {
  expect(placeIn('price * qty', 'There is no column qty. (line 1, column 9)')).toEqual({ at: 8, before: 'price * ', after: 'qty' })
  expect(placeIn('a +\n  b c', 'It is not valid SQL. (line 2, column 5)')).toEqual({ at: 8, before: '  b ', after: 'c' })
  expect(placeIn('a +', 'something is missing (line 1, column 4)')).toEqual({ at: 3, before: 'a +', after: '' })
})

it('finds none where none is said, or the text is another one by now', () => {
  expect(placeIn('a', 'It is nested too deeply.')).toBeNull()
  expect(placeIn('a', 'wrong (line 1, column 9)')).toBeNull()
  expect(placeIn('a', 'wrong (line 2, column 1)')).toBeNull()
})

it.each([['qty + 1', 0, 3], ['"unit price" > 1', 0, 12], ['[a b]', 0, 5], ['a )', 2, 3], ['a', 1, 1]])('selects the word of %j at %i', (text, at, end) => {
  expect(endOf(text, at)).toBe(end)
})
