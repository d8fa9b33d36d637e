/** Completion of the word that is being written in an expression. Pure. */

export interface Word {
  text: string
  kind: 'column' | 'function'
}
const MOST = 8
const PLAIN = /^[A-Za-z_]\w*$/

/** A column as expressions name it: quoted when it is no plain word. */
export function quoted(column: string): string {
  return PLAIN.test(column) ? column : `"${column.replaceAll('"', '""')}"`
}

/** Where the word before the caret begins. */
export function wordStart(text: string, caret: number): number {
  return caret - (/[\w"]*$/.exec(text.slice(0, caret))?.[0].length ?? 0)
}

/** What could stand there: columns first, each beginning with the word before those that only contain it. */
export function completions(text: string, caret: number, columns: readonly string[], functions: readonly string[]): Word[] {
  const word = text.slice(wordStart(text, caret), caret).replaceAll('"', '').toLowerCase()
  const all = [...columns.map((name): Word => ({ text: quoted(name), kind: 'column' })), ...functions.map((name): Word => ({ text: `${name}(`, kind: 'function' }))]
  const name = (one: Word) => one.text.replace(/[("]/g, '').toLowerCase()
  const rank = (one: Word) => (name(one).startsWith(word) ? 0 : 1)
  return all.filter((one) => name(one).includes(word) && name(one) !== word).sort((a, b) => rank(a) - rank(b)).slice(0, MOST)
}

/** The text with the word before the caret replaced, and where the caret is then. */
export function completed(text: string, caret: number, word: Word): { text: string; caret: number } {
  const before = text.slice(0, wordStart(text, caret)) + word.text
  return { text: before + text.slice(caret), caret: before.length }
}
