import { expect, it } from 'vitest'

import { specText } from './specText'

it('writes what a task says, and leaves out what says nothing', () => {
  const text = specText({ name: 'nightly', description: '', tags: [], schedule: {}, batch_rows: 0, is_active: false, source_connector_id: 3, owner: null, source_tables: [{ schema: 'dbo', name: 'a' }] }, new Map([[3, 'shop']]))
  expect(text).toBe('name: nightly\nbatch_rows: 0\nis_active: false\nsource_connector_id: 3 (shop)\nsource_tables:\n  - schema: dbo\n    name: a')
})

it('keeps the id of a connector that is gone', () => {
  expect(specText({ destination_connector_id: 4 })).toBe('destination_connector_id: 4')
})
