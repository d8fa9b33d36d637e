import { describe, expect, it } from 'vitest'

import type { ConnectorView, TaskView } from '@/shared/api/types'
import { diffLines } from '@/shared/lib/diff'

import { draftOf, emptyDraft, problemsOf, rulesOf, specOf, stepAt, stepsOf, withTarget, withWatermark, type Draft } from './draft'
import { arrowsOf, blocksInARow, blocksOf, chainOf, connected, placeOf, refusal } from './graph'
import { useHistory } from './history'
import { fromYaml, toYaml } from './yaml'

const CONNECTORS = [
  { id: 1, name: 'shop', connector_type: 'source', is_active: true },
  { id: 2, name: 'lake', connector_type: 'destination', is_active: true },
  { id: 3, name: 'shop', connector_type: 'destination', is_active: false },
] as unknown as ConnectorView[]
const ORDERS = { schema: 'dbo', name: 'orders' }
const LINES = { schema: 'dbo', name: 'lines' }

function draft(more: Partial<Draft> = {}): Draft {
  return { ...emptyDraft(), name: 'n', source_connector_id: 1, destination_connector_id: 2, source_tables: [ORDERS, LINES], ...more }
}
const STEPS = [{ type: 'filter', where: 'a > 1' }, { type: 'mask', column: 'b' }, { type: 'cast', column: 'c' }]
const types = (one: Draft) => one.transformations.map((step) => step['type'])

describe('draft', () => {
  it('of a stored task is what a person wrote, and goes back as it came', () => {
    const stored = { ...specOf(draft({ schedule_type: 'interval', schedule_interval_seconds: 60 })), id: 9, status: 'idle', last_error: null, new_field: [1] } as unknown as TaskView
    const again = specOf(draftOf(stored))
    expect(again).toMatchObject({ name: 'n', schedule_interval_seconds: 60, new_field: [1] })
    expect(again).not.toHaveProperty('id')
    expect(again).not.toHaveProperty('last_error')
  })

  it('lacks what it lacks, and says how to mend it', () => {
    expect(problemsOf(emptyDraft(), CONNECTORS).map((one) => one.field)).toEqual(['name', 'source_connector_id', 'destination_connector_id'])
    expect(problemsOf(draft({ schedule_type: 'cron' }), CONNECTORS)[0]?.hint).toContain('0 3 * * *')
    expect(problemsOf(draft({ destination_connector_id: 3 }), CONNECTORS)[0]?.text).toContain('switched off')
    expect(problemsOf(draft(), CONNECTORS)).toEqual([])
  })

  it('refuses two tables for one place, and forgets an emptied target', () => {
    const both = withTarget(withTarget(draft(), ORDERS, 'raw / x'), LINES, 'raw/x')
    expect(problemsOf(both, CONNECTORS)[0]?.text).toBe('dbo.orders and dbo.lines both go to raw/x.')
    expect(withTarget(both, LINES, ' ').table_mappings).toEqual([{ source: ORDERS, target: ['raw', 'x'] }])
  })
})

describe('watermarks', () => {
  it('stand beside the target, go with mode incremental only, and are forgotten when emptied', () => {
    const one = withWatermark(withTarget(draft({ mode: 'incremental' }), ORDERS, 'raw/x'), ORDERS, ' changed ')
    expect(specOf(one)?.table_mappings).toEqual([{ source: ORDERS, target: ['raw', 'x'], watermark: { column: 'changed' } }])
    expect(withTarget(one, ORDERS, '').table_mappings).toEqual([{ source: ORDERS, target: null, watermark: { column: 'changed' } }])
    expect(specOf({ ...one, mode: 'full_load' })?.table_mappings?.[0]?.watermark).toBeNull()
    expect(withWatermark(withTarget(one, ORDERS, ''), ORDERS, '').table_mappings).toEqual([])
  })

  it('keep what else was said of the same column', () => {
    const mapping = { source: ORDERS, watermark: { column: 'at', overlap_s: 60 } }
    const one = draft({ mode: 'incremental', table_mappings: [mapping] })
    expect(withWatermark(one, ORDERS, 'at').table_mappings).toEqual([mapping])
    expect(withWatermark(one, ORDERS, 'rv').table_mappings).toEqual([{ source: ORDERS, watermark: { column: 'rv' } }])
  })
})

describe('graph', () => {
  it('tells of each step what it does, without the names of its fields', () => {
    const steps = [{ type: 'apply_function', column: 'phone', function: 'mask', arguments: { keep_last: 4 }, to: null, on_error: 'fail' }, { type: 'drop_column', columns: ['a', 'b'] }]
    const blocks = blocksOf(draft({ transformations: steps }), String).filter((one) => one.kind === 'transform')
    expect(blocks.map((one) => [one.title, one.text])).toEqual([['1 Apply function', 'phone · mask · keep last 4'], ['2 Drop column', 'a · b']])
  })

  it('describes the chain it was made of', () => {
    const arrows = arrowsOf(blocksOf(draft({ transformations: STEPS }), String))
    expect(chainOf(arrows)).toEqual([0, 1, 2])
    expect(chainOf(arrows.slice(1))).toBeNull()
    expect(chainOf([{ id: '', source: 'source', target: 'transform-0' }, { id: '', source: 'transform-0', target: 'transform-0' }])).toBeNull()
  })

  it.each([
    ['source', 'transform-2', ['cast', 'filter', 'mask']],
    ['transform-2', 'transform-0', ['mask', 'cast', 'filter']],
    ['transform-0', 'transform-2', ['filter', 'cast', 'mask']],
    ['transform-0', 'destination', ['mask', 'cast', 'filter']],
  ])('an arrow from %s to %s moves the second behind the first', (from, to, order) => {
    expect(types(connected(draft({ transformations: STEPS }), from, to))).toEqual(order)
  })

  it('says why an arrow is not possible and leaves the draft alone', () => {
    const before = draft({ transformations: STEPS })
    for (const [from, to] of [['destination', 'source'], ['source', 'source'], ['transform-0', 'source'], ['source', 'destination']] as const) {
      expect(refusal(from, to)).not.toBe('')
      expect(connected(before, from, to)).toBe(before)
    }
  })
})

it('places blocks in rows that can be read', () => {
  expect([100, 640, 1500].map(blocksInARow)).toEqual([2, 2, 6])
  expect([0, 1, 2, 3].map((at) => placeOf(at, 2))).toEqual([{ x: 20, y: 40 }, { x: 260, y: 40 }, { x: 20, y: 190 }, { x: 260, y: 190 }])
})

describe('transformations', () => {
  const rules = [
    { tables: ['*'], steps: [{ type: 'a' }, { type: 'b' }] },
    { tables: ['dbo.*'], steps: [{ type: 'c' }], skip_missing: true },
    { tables: ['*'], steps: [{ type: 'd' }] },
  ]
  it('are steps one after another here and rules at the server', () => {
    const steps = stepsOf(rules)
    expect(steps).toEqual([{ type: 'a' }, { type: 'b' }, { type: 'c', tables: ['dbo.*'], skip_missing: true }, { type: 'd' }])
    expect(rulesOf(steps)).toEqual(rules)
  })
  it('are found by the field of a refusal', () => {
    const one = draft({ transformations: stepsOf(rules) })
    expect(stepAt(one, '$.transformations[0].steps[1].column')).toBe(1)
    expect(stepAt(one, '$.transformations[2].steps[0].condition')).toBe(3)
    expect(stepAt(one, '$.name')).toBeNull()
  })
})

describe('YAML', () => {
  it('read back is the same task, without ids', () => {
    const one = draft({ transformations: STEPS, schedule_type: 'cron', schedule: { cron: '0 3 * * *', timezone: 'Europe/Berlin' } })
    const text = toYaml(withTarget(one, ORDERS, 'raw/orders'), CONNECTORS)
    expect(text).toContain('source: shop')
    expect(text).not.toContain('connector_id')
    const back = fromYaml(text, CONNECTORS)
    if (!('draft' in back)) throw new Error(back.error.text)
    expect(toYaml(back.draft, CONNECTORS)).toBe(text)
    expect(specOf(back.draft)).toMatchObject({ source_connector_id: 1, destination_connector_id: 2, transformations: [{ tables: ['*'], steps: STEPS }] })
  })

  it('names the task that is waited for, as the server reads it', () => {
    const others = [{ id: 7, name: 'nightly load' }]
    const one = draft({ schedule_type: 'after_task', schedule: { after_task_id: 7, jitter_seconds: 5 } })
    const text = toYaml(one, CONNECTORS, others)
    expect(text).toContain('after_task: nightly load')
    expect(text).not.toContain('after_task_id')
    const back = fromYaml(text, CONNECTORS, [], others)
    if (!('draft' in back)) throw new Error(back.error.text)
    expect(specOf(back.draft)?.schedule).toEqual({ after_task_id: 7, jitter_seconds: 5 })
    const elsewhere = fromYaml(text, CONNECTORS)
    expect('error' in elsewhere && elsewhere.error.text).toContain('no task named nightly load')
  })

  it.each([
    ['name: [', 1, ''],
    ['name: a\nsource: nowhere', 2, 'no source named nowhere'],
    ['name: a\nmode: full_load\nhost: x', 3, 'no field host'],
    ['name: a\nsource_tables: [orders]', 2, 'wrong shape'],
    ['- 1', 1, 'a mapping'],
    ['apiVersion: dtaas/v9', 1, 'not dtaas/v1'],
  ])('says where %j is wrong', (text, line, what) => {
    const found = fromYaml(text, CONNECTORS)
    expect('error' in found && found.error.line).toBe(line)
    expect('error' in found && found.error.text).toContain(what)
  })
})

describe('history', () => {
  it('goes back and forth, and forgets the future after a change', () => {
    const history = useHistory(1)
    history.change(2)
    history.change(3)
    history.undo()
    expect(history.present.value).toBe(2)
    history.redo()
    expect(history.present.value).toBe(3)
    history.undo()
    history.change(9)
    expect(history.canRedo.value).toBe(false)
  })

  it('takes typing for one step and keeps fifty', () => {
    const history = useHistory('')
    for (const text of ['a', 'ab', 'abc']) history.change(text, 'name')
    history.undo()
    expect(history.present.value).toBe('')
    for (let at = 0; at < 80; at += 1) history.change(String(at))
    let steps = 0
    while (history.canUndo.value) {
      history.undo()
      steps += 1
    }
    expect(steps).toBe(50)
  })
})

it('finds the lines that differ', () => {
  expect(diffLines('a\nb\nc', 'a\nx\nc').filter((one) => one.sign !== ' ')).toEqual([{ sign: '-', text: 'b' }, { sign: '+', text: 'x' }])
})
