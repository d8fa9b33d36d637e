import { describe, expect, it } from 'vitest'

import { emptyDraft } from './draft'
import { allProblems, inputOf, placed } from './problems'

const draft = { ...emptyDraft(), transformations: [{ type: 'a' }, { type: 'b', tables: ['x.*'] }] }

describe('a mistake of the server', () => {
  it.each([
    ['$.transformations[1].steps[0].column', 'transform-1', 'f-column'],
    ['$.transformations[0].steps[0].into[2]', 'transform-0', 'f-into'],
    ['$.source_tables[2]', 'source', 't-find'],
    ['$.table_rules.include', 'source', 't-find'],
    ['$.table_mappings[1].watermark', 'source', ''],
    ['$.table_mappings', 'destination', ''],
    ['$.mode', 'source', 'b-mode'],
    ['$.destination_connector_id', 'destination', 'b-destination'],
    ['$.schedule_interval_seconds', 'task', 'b-every'],
    ['$.schedule.cron', 'task', 'b-cron'],
    ['$.name', 'task', 'b-name'],
    [null, 'task', ''],
  ])('about %s belongs to %s', (field, block, input) => {
    const problem = placed({ detail: 'wrong', field }, draft)
    expect(problem.block).toBe(block)
    expect(inputOf(problem)).toBe(input)
  })
})

it('says nothing twice', () => {
  const own = placed({ detail: 'The schedule has no interval.', field: 'schedule_interval_seconds' }, draft)
  const told = [placed({ detail: 'else', field: '$.schedule_interval_seconds' }, draft), placed({ detail: 'no column', field: '$.transformations[0].steps[0].column' }, draft)]
  expect(allProblems([own], told).map((one) => one.text)).toEqual(['The schedule has no interval.', 'no column'])
  expect(allProblems([], told)).toHaveLength(2)
})
