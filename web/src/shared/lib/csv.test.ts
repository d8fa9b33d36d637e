import { expect, it } from 'vitest'

import { csvOf } from './csv'

it('writes numbers as they are, nothing for what is not known, and quotes what needs it', () => {
  expect(csvOf(['time', 'a "b", c'], [['2026-01-02T03:04:05Z', 1.5], ['x\ny', null]]))
    .toBe('time,"a ""b"", c"\r\n2026-01-02T03:04:05Z,1.5\r\n"x\ny",\r\n')
})

it('lets no text be a formula', () => {
  expect(csvOf(['=1+1'], [['@sum'], [-1]])).toBe("'=1+1\r\n'@sum\r\n-1\r\n")
})
