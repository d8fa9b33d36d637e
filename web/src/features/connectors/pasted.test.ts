import { expect, it } from 'vitest'

import { parsePasted } from './pasted'

it.each([
  ['Server=tcp:db.example,1444;Database=shop;User Id=sa;Password={a;b=c}x;', { host: 'db.example', port: 1444, database: 'shop', username: 'sa' }],
  ['mssql://sa:p%40ss@db.example:1433/shop', { host: 'db.example', port: 1433, database: 'shop', username: 'sa', password: 'p@ss' }],
  ['jdbc:sqlserver://db.example:1433;databaseName=shop;encrypt=false', { host: 'db.example', port: 1433, database: 'shop', encrypt: 'no' }],
  ['s3://bucket/raw/erp/', { bucket: 'bucket', prefix: 'raw/erp/{schema}/{table}' }],
])('%s', (text, found) => {
  expect(parsePasted(text)).toMatchObject(found)
})

it('leaves other text alone', () => {
  expect(parsePasted('hello')).toBeNull()
})
