import { expect, it } from 'vitest'

import { finder } from './tableChoice'

const NAMES = ['shop.orders', 'shop.orders_old', 'dbo.Lines', 'erp.order_items']
it.each([
  ['', NAMES],
  ['ORDER', ['shop.orders', 'shop.orders_old', 'erp.order_items']],
  ['shop.*', ['shop.orders', 'shop.orders_old']],
  ['order* -*_old', ['shop.orders', 'erp.order_items']],
  ['order -shop', ['erp.order_items']],
  ['dbo.lines', ['dbo.Lines']],
  ['a+b.*', []],
])('%j', (text, found) => {
  expect(NAMES.filter(finder(text))).toEqual(found)
})
