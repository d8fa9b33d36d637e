import { expect, it } from 'vitest'

import type { ConnectorView } from '@/shared/api/types'

import { placeOf, shownConnectors } from './connectorList'

function connector(id: number, name: string, type: string, test: string, config: object = {}): ConnectorView {
  const kind = type === 's3' ? { source_type: null, destination_type: type } : { source_type: type, destination_type: null }
  return { id, name, ...kind, test_status: test, connection_config: config } as unknown as ConnectorView
}
const ALL = [connector(3, 'lake', 's3', 'ok'), connector(1, 'Shop', 'sqlserver', 'failed'), connector(2, 'shop', 'sqlserver', 'untested')]
const USED = new Map([[3, 2], [2, 1]])
const ids = (want: object) => shownConnectors(ALL, { type: '', test: '', sort: 'name', ...want }, USED).map((one) => one.id)

it('finds by type and last test', () => {
  expect(ids({ type: 's3' })).toEqual([3])
  expect(ids({ test: 'failed' })).toEqual([1])
  expect(ids({ type: 's3', test: 'failed' })).toEqual([])
})

it('sorts both ways, equal ones by id', () => {
  expect(ids({})).toEqual([3, 1, 2])
  expect(ids({ sort: '-name' })).toEqual([1, 2, 3])
  expect(ids({ sort: '-used' })).toEqual([3, 2, 1])
})

it('says where a connector leads to', () => {
  expect(placeOf(connector(1, 'a', 'sqlserver', 'ok', { host: 'db', port: 1433, database: 'shop' }))).toBe('db:1433 / shop')
  expect(placeOf(connector(1, 'a', 's3', 'ok', { bucket: 'lake', prefix: 'raw' }))).toBe('s3://lake/raw')
  expect(placeOf(connector(1, 'a', 'files', 'ok', { path: '/data' }))).toBe('/data')
})
