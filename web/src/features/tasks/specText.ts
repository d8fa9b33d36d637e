/** A task as somebody would write it down, for people to read and compare: without what says nothing. */
import { stringify } from 'yaml'

type Spec = Readonly<Record<string, unknown>>

/** YAML of a task as it was kept. `names` are those of connectors by id; what has another name now keeps its id too. */
export function specText(spec: Spec, names: ReadonlyMap<number, string> = new Map()): string {
  const shown = Object.entries(spec).filter(([, value]) => !isEmpty(value)).map(([key, value]) => [key, key.endsWith('_connector_id') ? connector(value, names) : value])
  return stringify(Object.fromEntries(shown), { lineWidth: 110, aliasDuplicateObjects: false }).trimEnd()
}

function connector(id: unknown, names: ReadonlyMap<number, string>): unknown {
  const name = typeof id === 'number' ? names.get(id) : undefined
  return name === undefined ? id : `${String(id)} (${name})`
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.keys(value).length === 0
}
