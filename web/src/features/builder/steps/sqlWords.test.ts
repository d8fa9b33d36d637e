import { expect, it } from 'vitest'

import { completed, completions, quoted } from './sqlWords'

const COLUMNS = ['price', 'unit price', 'note']
const FUNCTIONS = ['upper', 'round']

it.each([['price', 'price'], ['unit price', '"unit price"'], ['a"b', '"a""b"'], ['1st', '"1st"']])('%s is written %s', (name, text) => {
  expect(quoted(name)).toBe(text)
})
it('offers columns and functions, the nearest first', () => {
  expect(completions('pri', 3, COLUMNS, FUNCTIONS).map((one) => one.text)).toEqual(['price', '"unit price"'])
  expect(completions('a > u', 5, COLUMNS, FUNCTIONS).map((one) => one.text)).toEqual(['"unit price"', 'upper(', 'round('])
  expect(completions('price', 5, COLUMNS, FUNCTIONS).map((one) => one.text)).toEqual(['"unit price"'])
  expect(completions('', 0, COLUMNS, FUNCTIONS)).toHaveLength(5)
})
it('replaces the word before the caret and nothing else', () => {
  expect(completed('1 + up + 2', 6, { text: 'upper(', kind: 'function' })).toEqual({ text: '1 + upper( + 2', caret: 10 })
})
