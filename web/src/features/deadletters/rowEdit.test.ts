import { expect, it } from 'vitest'

import { cellsOf, changesOf } from './rowEdit'

const ROWS = { columns: ['id', 'name', 'note'], types: ['bigint', 'string(20)', 'string'], required: ['id'], longest: 4 }
const ROW = { values: ['1', null, 'long …'] }

it('makes fields of a row and tells what of it changed', () => {
  const cells = cellsOf(ROWS, ROW)
  expect(cells.map((cell) => [cell.column, cell.text, cell.isNull, cell.required, cell.cut])).toEqual([
    ['id', '1', false, true, false],
    ['name', '', true, false, false],
    ['note', 'long …', false, false, true],
  ])
  expect(changesOf(cells, ROW)).toEqual({})
  const edited = cells.map((cell) => ({ ...cell, isNull: false, text: `${cell.text}x` }))
  expect(changesOf(edited, ROW)).toEqual({ id: '1x', name: 'x' })
})

it('tells an empty text from NULL', () => {
  const [, name] = cellsOf(ROWS, ROW)
  if (!name) throw new Error('no such cell')
  expect(changesOf([{ ...name, isNull: false }], { values: [null] })).toEqual({ name: '' })
  expect(changesOf([{ ...name, isNull: true }], { values: ['a'] })).toEqual({ name: null })
})
