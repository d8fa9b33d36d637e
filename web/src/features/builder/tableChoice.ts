/** Finding tables among hundreds: words, and patterns as `shop.*` or `-*_old`. Pure. */
import type { TableInfo } from '@/shared/api/types'

import { keyOf } from './draft'

/** Every part must fit: a word is somewhere in the name, a pattern is all of it, a minus means not. */
export function finder(text: string): (name: string) => boolean {
  const parts = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map((part) => {
    const not = part.startsWith('-') && part.length > 1
    const word = not ? part.slice(1) : part
    const fits = word.includes('*') ? patternOf(word) : (name: string) => name.includes(word)
    return not ? (name: string) => !fits(name) : fits
  })
  return (name) => parts.every((fits) => fits(name.toLowerCase()))
}

function patternOf(text: string): (name: string) => boolean {
  const whole = text.includes('.') ? text : `*.${text}`
  const pattern = new RegExp(`^${whole.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`)
  return (name) => pattern.test(name)
}

export function foundTables(tables: readonly TableInfo[], text: string, onlyChosen: boolean, chosen: ReadonlySet<string>): TableInfo[] {
  const fits = finder(text)
  return tables.filter((info) => {
    const name = keyOf(info.table)
    return fits(name) && (!onlyChosen || chosen.has(name))
  })
}
