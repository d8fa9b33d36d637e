import { describe, expect, it } from 'vitest'

import type { ConnectorType } from '@/shared/api/types'

import { emptyDraft, type Draft } from './draft'
import { choices, historyRefused, keepsHistory, otherwise, withOptions, writeMode } from './keeping'

const SNOWFLAKE = { title: 'Snowflake', capabilities: { overwrite: true, append: true, truncate_insert: true, history: true } } as unknown as ConnectorType
const FILES = { title: 'Files', capabilities: { overwrite: true, append: true, truncate_insert: false, history: false } } as unknown as ConnectorType
const open = (draft: Draft, type: ConnectorType | null) => choices(draft, type).filter((one) => !one.refused).map((one) => one.value)

describe('what becomes of rows already there', () => {
  it('is offered as the destination can do it', () => {
    expect(open(emptyDraft(), SNOWFLAKE)).toEqual(['overwrite', 'append', 'truncate_insert'])
    expect(open(emptyDraft(), FILES)).toEqual(['overwrite', 'append'])
    expect(open(emptyDraft(), null)).toHaveLength(3)
  })

  it('is replacing alone while a history is kept', () => {
    const kept = withOptions(emptyDraft(), { history: true })
    expect(open(kept, SNOWFLAKE)).toEqual(['overwrite'])
    expect(open(withOptions(kept, { history: false }), SNOWFLAKE)).toHaveLength(3)
  })
})

describe('a history of rows', () => {
  it('goes where the destination, the mode and the way of writing allow it', () => {
    expect(historyRefused(emptyDraft(), SNOWFLAKE)).toBe('')
    expect(historyRefused(emptyDraft(), null)).toBe('')
    expect(historyRefused(emptyDraft(), FILES)).toContain('Files keeps one row a key')
    expect(historyRefused({ ...emptyDraft(), mode: 'incremental' }, SNOWFLAKE)).toContain('Choose another mode')
    expect(historyRefused(withOptions(emptyDraft(), { write_mode: 'append' }), SNOWFLAKE)).toContain('to be replaced')
  })

  it('leaves the other options alone, and is off where nothing is said', () => {
    const draft = withOptions(emptyDraft(), { history: true })
    expect([keepsHistory(emptyDraft()), keepsHistory(draft), writeMode(draft)]).toEqual([false, true, 'overwrite'])
  })

  it('tells of tables that have their own say', () => {
    const source = { schema: 'dbo', name: 't' }
    const draft = { ...emptyDraft(), table_mappings: [{ source, history: true }, { source: { ...source, name: 'u' } }] }
    expect(otherwise(draft)).toBe(1)
    expect(otherwise(withOptions(draft, { history: true }))).toBe(0)
  })
})
