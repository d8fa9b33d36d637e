import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

import { expect, it } from 'vitest'

import { emptyDraft } from './draft'
import { changedIn, GROUPS, OPTIONS, optionOf, optionsOf, read, withOption, type OptionName } from './options'

interface Part { default?: unknown; minimum?: number; maximum?: number; anyOf?: Part[]; $ref?: string; enum?: string[] }
const document = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../../../config/openapi.json'), 'utf8')) as { components: { schemas: Record<string, Part & { properties: Record<string, Part> }> } }
const schemas = document.components.schemas
const wanted: [string, Part][] = [
  ...Object.entries(schemas['TaskOptions']?.properties ?? {}),
  ...Object.entries(schemas['TaskSpec']?.properties ?? {}).filter(([name]) => name.startsWith('batch_')),
]

it('knows every option of the server and no other', () => {
  expect(Object.keys(OPTIONS).sort()).toEqual(wanted.map(([name]) => name).sort())
  expect(wanted.length).toBeGreaterThan(15)
})

it.each(wanted)('%s has the default, the limits and the choices of the server', (name, part) => {
  const option = OPTIONS[name as OptionName]
  const limits = part.anyOf?.find((one) => one.minimum !== undefined) ?? part
  expect(option.standard).toEqual(part.default)
  expect([option.least, option.most]).toEqual([limits.minimum, limits.maximum])
  const choices = part.$ref ? schemas[part.$ref.split('/').at(-1) ?? '']?.enum : undefined
  expect(Object.keys(option.choices ?? {}).sort()).toEqual([...(choices ?? [])].sort())
  expect(option.help).toMatch(/\.$/)
})

it('shows each option once, here or at a block', () => {
  const here = GROUPS.flatMap((group) => optionsOf(group).map(([name]) => name))
  expect(new Set(here).size).toBe(here.length)
  expect(Object.entries(OPTIONS).filter(([name, one]) => !here.includes(name as OptionName) && one.at === undefined)).toEqual([])
})

it('writes down what is not the default, and only that', () => {
  const changed = withOption(withOption(emptyDraft(), 'chunk_rows', 1000), 'batch_rows', 200)
  expect(changed.options).toEqual({ write_mode: 'overwrite', chunk_rows: 1000 })
  expect([changed.batch_rows, optionOf(changed, 'chunk_rows'), optionOf(changed, 'batch_rows')]).toEqual([200, 1000, 200])
  expect(changedIn(changed, 'Reading')).toBe(2)
  const back = withOption(withOption(changed, 'chunk_rows', 500_000), 'batch_rows', undefined)
  expect(back).toEqual(emptyDraft())
})

it('reads numbers as people write them', () => {
  expect(read(OPTIONS.chunk_rows, '1,000 000')).toEqual({ value: 1_000_000 })
  expect(read(OPTIONS.chunk_rows, ' ')).toEqual({ value: undefined })
  expect(read(OPTIONS.chunk_rows, '999')).toEqual({ wrong: 'Rows of a chunk: from 1000 to 100000000.' })
  expect(read(OPTIONS.chunk_rows, '1500.5')).toEqual({ wrong: 'Rows of a chunk: a whole number.' })
  expect(read(OPTIONS.merge_interval_s, '1.5')).toEqual({ value: 1.5 })
  expect(read(OPTIONS.time_limit_s, '-1')).toEqual({ wrong: 'Seconds an execution may take: 0 or more.' })
})
