import { expect, it } from 'vitest'

import { chosenFrom, tagsOf, wrongTag } from './tags'

it('takes tags apart at commas, each once', () => {
  expect(tagsOf(' nightly, lake ,,nightly, two words ')).toEqual(['nightly', 'lake', 'two words'])
  expect(tagsOf(' , ')).toEqual([])
})

it('says what cannot be a tag before the server has to', () => {
  expect(wrongTag(['a', 'x'.repeat(50)])).toBe('')
  expect(wrongTag(['x'.repeat(51)])).toContain('longer than 50')
  expect(wrongTag(Array.from({ length: 21 }, (_, at) => String(at)))).toBe('At most 20 tags.')
})

it('offers what is there, in order', () => {
  expect(chosenFrom([{ tags: ['b', 'a'], owner: 'Zoe' }, { tags: ['a'], owner: '' }, { tags: [], owner: 'Ann' }])).toEqual({ tags: ['a', 'b'], owners: ['Ann', 'Zoe'] })
})
