import { expect, it } from 'vitest'

import { emptyDraft, type Draft } from './draft'
import { stepsAmong, stepsIn, textOf, withoutSteps, withSteps } from './stepActions'

const draft: Draft = { ...emptyDraft(), transformations: [{ type: 'filter', where: 'a' }, { type: 'mask', column: 'b' }, { type: 'cast', column: 'c' }] }
const types = (one: Draft) => one.transformations.map((step) => step['type'])

it('takes steps among blocks in the order of the pipeline', () => {
  expect(stepsAmong(['transform-10', 'source', 'transform-2', 'destination'])).toEqual([2, 10])
})

it('removes several at once, each the one that was meant', () => {
  expect(types(withoutSteps(draft, [0, 1]))).toEqual(['cast'])
  expect(types(withoutSteps(draft, []))).toEqual(['filter', 'mask', 'cast'])
})

it('goes through the clipboard as text, to this task or another', () => {
  const text = textOf(draft, [0, 2])
  expect(types(withSteps(draft, stepsIn(text), 1))).toEqual(['filter', 'filter', 'cast', 'mask', 'cast'])
  const other = withSteps(emptyDraft(), stepsIn(text), 0)
  expect(other.transformations).toEqual([draft.transformations[0], draft.transformations[2]])
  expect(other.transformations[0]).not.toBe(draft.transformations[0])
})

it.each(['', 'SELECT 1', '[1]', 'null', '{"dtaas/steps": 5}', '{"dtaas/steps": [null, 5, {"column": "b"}]}'])('takes no steps from %j', (text) => {
  expect(stepsIn(text)).toEqual([])
})
