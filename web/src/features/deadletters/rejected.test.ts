import { expect, it } from 'vitest'

import { csvOf, stepText, streams, workText } from './rejected'

it.each([
  ['load-3', 'load, chunk 3', false],
  ['changes-00a1-00ff', 'changes up to 00ff', true],
  ['else', 'else', false],
])('%s', (work, text, stream) => {
  expect(workText(work)).toBe(text)
  expect(streams(work)).toBe(stream)
})

it.each([['$.transformations[1].steps[0]', 'rule 2, step 1'], ['$.transformations[0]', 'rule 1'], ['', '']])('step %j', (path, text) => {
  expect(stepText(path)).toBe(text)
})

it('keeps quotes, line ends, NULL and empty texts apart', () => {
  const rows = { columns: ['id', 'note'], items: [{ reason: 'not a number', step: 's', column: 'n', values: ['1', 'say "hi",\nyou'] }, { reason: '', step: '', column: '', values: [null, ''] }] }
  expect(csvOf(rows)).toBe('"_reason","_step","_column","id","note"\r\n"not a number","s","n","1","say ""hi"",\nyou"\r\n"","","",,""')
})
