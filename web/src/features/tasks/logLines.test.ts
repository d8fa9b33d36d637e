import { expect, it } from 'vitest'

import { lineFinder, withText } from './logLines'

const line = withText({ id: 1, at: '', level: 'info', event: 'table_loaded', fields: { table: 'dbo.orders', rows: 15, keys: ['a'], execution_id: 3, task_id: 1 } })

it('writes fields behind the event, without those every line has', () => {
  expect(line.text).toBe('table=dbo.orders  rows=15  keys=["a"]')
})
it.each([['', true], ['LOADED', true], ['orders  rows', true], ['nothing', false], ['/rows=1\\d/', true], ['/^rows/', false], ['/(/', true]])('%j', (text, found) => {
  expect(lineFinder(text)(line)).toBe(found)
})
