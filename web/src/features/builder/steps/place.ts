/** Where in an expression a mistake is: the server says it as `(line 2, column 5)`. Pure. */

export interface Place {
  /** Offset in the text. */
  at: number
  /** The line of it, cut in two where the mistake is. */
  before: string
  after: string
}
const SAID = /\(line (\d+), column (\d+)\)\s*$/

/** Null where none is said, and where the text has changed since and has no such place any more. */
export function placeIn(text: string, problem: string): Place | null {
  const found = SAID.exec(problem)
  if (!found) return null
  const lines = text.split('\n')
  const [line, column] = [Number(found[1]) - 1, Number(found[2]) - 1]
  const wrong = lines[line]
  if (wrong === undefined || column > wrong.length) return null
  const start = lines.slice(0, line).reduce((sum, one) => sum + one.length + 1, 0)
  return { at: start + column, before: wrong.slice(0, column), after: wrong.slice(column) }
}

/** The end of the word that begins there, for it to be selected; at least one character where there is one. */
export function endOf(text: string, at: number): number {
  const word = /^(?:"[^"]*"?|\[[^\]]*\]?|\w+|.)/.exec(text.slice(at))?.[0] ?? ''
  return at + word.length
}
