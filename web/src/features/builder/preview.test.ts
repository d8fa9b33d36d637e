import { describe, expect, it } from 'vitest'

import { emptyDraft } from './draft'
import { columnsOf, costs, errorsOf, isChanged, keysOf, previewSpec, rowsOf, tableOf } from './preview'

const PREVIEW = {
  before: [{ name: 'id', type: 'int32', in_key: true }, { name: 'email', type: 'string' }, { name: 'note', type: 'string' }, { name: 'n', type: 'string' }],
  after: [{ name: 'id', type: 'int32', in_key: true }, { name: 'email', type: 'string' }, { name: 'n', type: 'int64' }, { name: 'half', type: 'double' }],
  rows: [
    { state: 'kept' as const, before: ['1', 'a@x', 'hi', '5'], after: ['1', 'a***', '5', '2.5'] },
    { state: 'filtered' as const, before: ['2', 'b@x', null, '6'] },
    { state: 'rejected' as const, before: ['3', 'c@x', null, 'x'], errors: [{ step: 1, column: 'n', reason: 'not a number' }] },
  ],
}

describe('columns', () => {
  const shown = columnsOf(PREVIEW)
  it('stay, change, go and come', () => {
    expect(shown.map((one) => `${one.name} ${one.kind}`)).toEqual(['id same', 'email changed', 'note gone', 'n changed', 'half new'])
  })
  it('are marked in the rows they changed in', () => {
    const [kept, filtered] = PREVIEW.rows
    if (!kept || !filtered) throw new Error()
    expect(shown.map((column) => isChanged(kept, column))).toEqual([false, true, false, false, true])
    expect(shown.some((column) => isChanged(filtered, column))).toBe(false)
  })
  it('say what is wrong with a cell', () => {
    expect(PREVIEW.rows.map((row) => errorsOf(row, 'n'))).toEqual(['', '', 'not a number'])
  })
})

it('previews a task that still lacks its name, destination and schedule', () => {
  expect(previewSpec(emptyDraft())).toBeNull()
  const spec = previewSpec({ ...emptyDraft(), source_connector_id: 4, schedule_type: 'cron', transformations: [{ type: 'a' }] }, [])
  expect(spec).toMatchObject({ name: 'preview', source_connector_id: 4, destination_connector_id: 4, schedule_type: 'manual', transformations: [] })
})

it('reads keys and pasted rows', () => {
  expect(keysOf(' 1, a \n\n2,b')).toEqual([['1', 'a'], ['2', 'b']])
  expect(rowsOf('[{"a": 1}]')).toEqual([{ a: 1 }])
  expect(rowsOf('{"a": 1}\n{"a": 2}\n')).toEqual([{ a: 1 }, { a: 2 }])
  expect(rowsOf(' ')).toEqual([])
  expect(() => rowsOf('[1]')).toThrow('objects')
  expect(() => rowsOf('{')).toThrow()
})

it('keeps to the wanted table while the task has it', () => {
  const draft = { ...emptyDraft(), source_tables: [{ schema: 'a', name: 'b' }, { schema: 'a', name: 'c' }] }
  expect(tableOf(draft, 'a.c')?.name).toBe('c')
  expect(tableOf(draft, 'gone')?.name).toBe('b')
  expect(tableOf(emptyDraft(), 'a.c')).toBeNull()
})

it('says which step takes the time', () => {
  expect(costs([{ path: '', kind: 'cast_type', rows_s: 1e6 }, { path: '', kind: 'filter_rows', rows_s: 3e6 }]).map((one) => [one.text, Math.round(one.share)])).toEqual([['cast type', 75], ['filter rows', 25]])
})
