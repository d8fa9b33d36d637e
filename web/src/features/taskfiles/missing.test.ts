import { expect, it } from 'vitest'

import type { FileProblem } from '@/shared/api/types'

import { missingOf } from './missing'

const FILE = `
apiVersion: dtaas/v1
kind: connector
name: shop
source_type: sqlserver
connection_config:
  host: db
  password: \${env:DTAAS_SHOP_PASSWORD}
---
apiVersion: dtaas/v1
kind: task
name: nightly
source: shop
destination: lake
---
kind: [
`
const problem = (more: Partial<FileProblem>): FileProblem => ({ code: '', detail: '', line: 1, ...more })

it('names connectors and secrets that nothing here stands for', () => {
  const found = missingOf(FILE, [
    problem({ code: 'connector_missing', kind: 'task', name: 'nightly', field: '$.destination' }),
    problem({ code: 'connector_missing', kind: 'task', name: 'nightly', field: '$.destination' }),
    problem({ code: 'secret_missing', kind: 'connector', name: 'shop', field: '$.connection_config.password' }),
  ])
  expect(found).toEqual({ connectors: [{ name: 'lake', role: 'destination' }], secrets: ['DTAAS_SHOP_PASSWORD'] })
})

it('leaves other mistakes to be mended in the file', () => {
  expect(missingOf(FILE, [problem({ code: 'validation_failed', kind: 'task', name: 'nightly', field: '$.source' }), problem({ code: 'connector_missing', kind: 'task', name: 'other', field: '$.source' })]))
    .toEqual({ connectors: [], secrets: [] })
  expect(missingOf('', [problem({ code: 'connector_missing' })])).toEqual({ connectors: [], secrets: [] })
})
