import { expect, it } from 'vitest'

import type { TablePositions } from '@/shared/api/types'

import { chooseAll, choiceText, heldText, open, orders } from './positions'

const table = (name: string, more: Partial<TablePositions> = {}): TablePositions => ({
  table: { schema: 'dbo', name }, comparison: 'target_ahead', store: { position: '0a' }, target: { position: '0b' }, choices: ['target', 'store', 'reload'], ...more,
})
const AHEAD = table('a')
const OTHER = table('b', { comparison: 'other_load', choices: ['reload'] })
const SAME = table('c', { comparison: 'same', choices: [] })

it('asks only for tables that differ and have no choice yet', () => {
  expect(open([AHEAD, OTHER, SAME, table('d', { choice: 'store' })])).toEqual([AHEAD, OTHER])
})

it('chooses for all only what can work there', () => {
  expect(chooseAll([AHEAD, OTHER], 'target', { 'dbo.b': 'reload' })).toEqual({ 'dbo.a': 'target', 'dbo.b': 'reload' })
  expect(chooseAll([AHEAD, OTHER], 'reload', {})).toEqual({ 'dbo.a': 'reload', 'dbo.b': 'reload' })
})

it('sends one order a choice', () => {
  expect(orders([AHEAD, OTHER, table('d')], { 'dbo.a': 'reload', 'dbo.b': 'reload', 'dbo.d': 'target' })).toEqual([
    { choice: 'target', tables: [{ schema: 'dbo', name: 'd' }] },
    { choice: 'reload', tables: [AHEAD.table, OTHER.table] },
  ])
  expect(orders([AHEAD], {})).toEqual([])
})

it('says what is held, and what a choice costs', () => {
  expect([heldText({ position: '0a', load: '7' }), heldText({ load: '7' }), heldText({})]).toEqual(['0a', 'load 7', 'nothing'])
  expect(choiceText('store', AHEAD)).toContain('read and written again')
  expect(choiceText('store', table('d', { comparison: 'store_ahead' }))).toContain('given up')
  expect(choiceText('target', table('d', { comparison: 'store_ahead' }))).toContain('read again from the source')
  expect(choiceText('reload', OTHER)).toContain('everything')
})
