/** A task as YAML, without ids or secrets: connectors go by their names, so that it fits another server. */
import { LineCounter, parseDocument, stringify } from 'yaml'

import type { ConnectorView } from '@/shared/api/types'

import { emptyDraft, rulesOf, stepsOf, type Draft } from './draft'

export const API_VERSION = 'dtaas/v1'
const ORDER = [
  'name', 'description', 'tags', 'owner', 'source', 'destination', 'mode', 'source_tables', 'table_rules', 'table_mappings', 'transformations', 's3_file_format', 'handle_schema_drift',
  'schema_drift_policy', 'schema_drift_approval', 'backfill_new_columns',
  'schedule_type', 'schedule_interval_seconds', 'schedule', 'is_active', 'batch_size_mb', 'batch_rows', 'options',
]

export interface YamlError {
  line: number
  text: string
}
/** Another task, as a schedule waits for it. */
export interface NamedTask {
  id: number
  name: string
}
type Outcome = { draft: Draft } | { error: YamlError }

export function toYaml(draft: Draft, connectors: readonly ConnectorView[], tasks: readonly NamedTask[] = []): string {
  const name = (id: number | null) => connectors.find((one) => one.id === id)?.name ?? null
  const { source_connector_id: source, destination_connector_id: destination, ...rest } = draft
  const all: Record<string, unknown> = { ...rest, transformations: rulesOf(draft.transformations), source: name(source), destination: name(destination), schedule: renamed(rest.schedule, 'after_task_id', 'after_task', (id) => tasks.find((one) => one.id === id)?.name) }
  const keys = [...ORDER, ...Object.keys(rest).filter((key) => !ORDER.includes(key)).sort()]
  if (isMapping(all['schedule'])) all['schedule'] = Object.fromEntries(Object.entries(all['schedule'] as object).filter(([key, value]) => key !== 'after_task_id' || value !== null))
  const shown = keys.filter((key) => !isEmpty(all[key])).map((key) => [key, all[key]])
  return stringify({ apiVersion: API_VERSION, kind: 'task', ...Object.fromEntries(shown) }, { lineWidth: 110, aliasDuplicateObjects: false })
}

/** Read YAML or JSON; says the line of the first mistake. `known` are fields of the server beside those above. */
export function fromYaml(text: string, connectors: readonly ConnectorView[], known: readonly string[] = [], tasks: readonly NamedTask[] = []): Outcome {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter })
  const first = document.errors[0]
  if (first) return { error: { line: counter.linePos(first.pos[0]).line, text: first.message.split('\n')[0] ?? '' } }
  const found = document.toJS() as unknown
  if (!isMapping(found)) return { error: { line: 1, text: 'A task is a mapping of names to values.' } }
  const items = (document.contents as { items?: { key?: { value?: unknown; range?: [number, number, number] } }[] } | null)?.items
  const lineOf = (key: string) => {
    const range = items?.find((item) => item.key?.value === key)?.key?.range
    return range ? counter.linePos(range[0]).line : 1
  }
  return read(found as Record<string, unknown>, connectors, lineOf, new Set([...ORDER, ...known]), tasks)
}

function read(found: Record<string, unknown>, connectors: readonly ConnectorView[], lineOf: (key: string) => number, known: ReadonlySet<string>, tasks: readonly NamedTask[]): Outcome {
  const wrong = (key: string, text: string): Outcome => ({ error: { line: lineOf(key), text } })
  const { apiVersion, kind, source, destination, ...rest } = found
  if (apiVersion !== undefined && apiVersion !== API_VERSION) return wrong('apiVersion', `apiVersion is not ${API_VERSION}.`)
  if (kind !== undefined && kind !== 'task') return wrong('kind', 'kind is not task.')
  const strange = Object.keys(rest).find((key) => !known.has(key))
  if (strange) return wrong(strange, `There is no field ${strange}.`)
  const odd = Object.entries(SHAPES).find(([key, fits]) => rest[key] !== undefined && !fits(rest[key]))
  if (odd) return wrong(odd[0], `${odd[0]} has the wrong shape.`)
  const schedule = scheduleOf(rest['schedule'], tasks)
  if (typeof schedule === 'string') return wrong('schedule', schedule)
  const draft = { ...emptyDraft(), options: {}, ...rest, ...schedule } as Draft
  draft.transformations = stepsOf(draft.transformations)
  for (const [role, name] of [['source', source], ['destination', destination]] as const) {
    if (name === undefined || name === null) continue
    const one = connectors.find((each) => each.name === name && each.connector_type === role)
    if (!one) return wrong(role, `There is no ${role} named ${String(name)}.`)
    draft[`${role}_connector_id`] = one.id
  }
  return { draft }
}

/** The schedule with the id of the task it waits for, or why there is none. */
function scheduleOf(found: unknown, tasks: readonly NamedTask[]): { schedule?: unknown } | string {
  const awaited = isMapping(found) ? (found as Record<string, unknown>)['after_task'] : undefined
  if (awaited === undefined) return {}
  const task = tasks.find((one) => one.name === awaited)
  return task ? { schedule: renamed(found, 'after_task', 'after_task_id', () => task.id) } : `There is no task named ${String(awaited)} to wait for.`
}
/** One field of a mapping under another name and value, in its place; as it was where there is no such value. */
function renamed(all: unknown, from: string, to: string, value: (old: unknown) => unknown): unknown {
  const made = isMapping(all) ? value((all as Record<string, unknown>)[from]) : undefined
  return made === undefined ? all : Object.fromEntries(Object.entries(all as object).map(([key, old]: [string, unknown]) => (key === from ? [to, made] : [key, old])))
}
function isText(value: unknown): boolean {
  return typeof value === 'string'
}
function isMapping(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
function isRef(value: unknown): boolean {
  return isMapping(value) && isText((value as Record<string, unknown>)['schema']) && isText((value as Record<string, unknown>)['name'])
}
function isList(fits: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.every(fits)
}
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && !value.length) || (isMapping(value) && !Object.keys(value as object).length)
}
const SHAPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  name: isText, description: isText, mode: isText, schedule_type: isText, s3_file_format: isText, options: isMapping, schedule: isMapping,
  source_tables: isList(isRef), table_mappings: isList((value) => isMapping(value) && isRef((value as Record<string, unknown>)['source'])),
  transformations: isList(isMapping),
}
