/** A task as it is being written: a TaskSpec that may still lack what a task must have. Pure. */
import type { ConnectorView, TableRef, TaskSpec, TaskView } from '@/shared/api/types'

export type Transformation = Record<string, unknown>
type Mapping = NonNullable<TaskSpec['table_mappings']>[number]
export type Draft = Omit<TaskSpec, 'source_connector_id' | 'destination_connector_id' | 'transformations'> & {
  source_connector_id: number | null
  destination_connector_id: number | null
  transformations: Transformation[]
}

export interface Problem {
  block: string
  field: string
  text: string
  hint: string
}

export function emptyDraft(): Draft {
  return {
    name: '', description: '', source_connector_id: null, destination_connector_id: null, source_tables: [], table_mappings: [],
    mode: 'full_load', schedule_type: 'manual', s3_file_format: 'parquet', transformations: [], options: { write_mode: 'overwrite' },
  }
}

interface Rule {
  tables: string[]
  steps: Transformation[]
  skip_missing?: boolean
}
const ALL_TABLES = ['*']

/** The steps of a task's rules one after another. A step for some tables only says so in `tables`. */
export function stepsOf(rules: readonly unknown[]): Transformation[] {
  return rules.flatMap((one) => {
    const { tables = ALL_TABLES, steps, skip_missing: skip } = one as Partial<Rule>
    if (!steps) return [one as Transformation]
    const marks = { ...(same(tables, ALL_TABLES) ? {} : { tables }), ...(skip ? { skip_missing: true } : {}) }
    return steps.map((step) => ({ ...step, ...marks }))
  })
}

/** Steps as rules: those in a row for the same tables are one. */
export function rulesOf(steps: readonly Transformation[]): Rule[] {
  const rules: Rule[] = []
  for (const { tables = ALL_TABLES, skip_missing: skip = false, ...step } of steps as (Transformation & Partial<Rule>)[]) {
    const last = rules.at(-1)
    if (last && same(last.tables, tables) && (last.skip_missing ?? false) === skip) last.steps.push(step)
    else rules.push({ tables, steps: [step], ...(skip ? { skip_missing: true } : {}) })
  }
  return rules
}

/** Which step a field of the server's is about; null when it is about none. */
export function stepAt(draft: Draft, field: string): number | null {
  const found = /^\$\.transformations\[(\d+)\](?:\.steps\[(\d+)\])?/.exec(field)
  if (!found) return null
  const before = rulesOf(draft.transformations).slice(0, Number(found[1]))
  return before.reduce((sum, rule) => sum + rule.steps.length, Number(found[2] ?? 0))
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** What a person wrote of a stored task, without what became of it. Fields this page does not know stay. */
export function draftOf(task: TaskView): Draft {
  const became = new Set(['id', 'status', 'desired', 'allowed_actions', 'current_progress_percent', 'created_at', 'updated_at', 'last_run_at', 'cdc_enabled_tables', 'last_cdc_poll_at', 'last_error_code', 'last_error', 'applies', 'revision'])
  const entries = Object.entries(task).filter(([field, value]) => !became.has(field) && value !== undefined)
  const draft = { ...emptyDraft(), ...(Object.fromEntries(entries) as Draft) }
  return { ...draft, transformations: stepsOf(draft.transformations) }
}

/** The draft as the server takes it; null while it lacks a connector. */
export function specOf(draft: Draft): TaskSpec | null {
  const { source_connector_id: source, destination_connector_id: destination } = draft
  if (source === null || destination === null) return null
  const tables = new Set(draft.source_tables.map(keyOf))
  return {
    ...draft,
    source_connector_id: source,
    destination_connector_id: destination,
    table_mappings: (draft.table_mappings ?? []).filter((one) => tables.has(keyOf(one.source))).map((one) => (one.watermark && draft.mode !== 'incremental' ? { ...one, watermark: null } : one)),
    transformations: rulesOf(draft.transformations) as unknown as NonNullable<TaskSpec['transformations']>,
  }
}

export function keyOf(table: TableRef): string {
  return `${table.schema}.${table.name}`
}

/** What keeps the draft from being a task, said before the server has to. */
export function problemsOf(draft: Draft, connectors: readonly ConnectorView[]): Problem[] {
  return [...endProblems(draft, connectors), ...targetProblems(draft), ...scheduleProblems(draft)]
}

function endProblems(draft: Draft, connectors: readonly ConnectorView[]): Problem[] {
  const found: Problem[] = []
  const add = (block: string, field: string, text: string, hint: string) => found.push({ block, field, text, hint })
  if (!draft.name.trim()) add('task', 'name', 'The task has no name.', 'Write one at the top.')
  if (draft.source_connector_id === null) add('source', 'source_connector_id', 'No source is chosen.', 'Choose a connector to read from.')
  else if (!draft.source_tables.length && !draft.table_rules?.include?.length) add('source', 'source_tables', 'No table is chosen.', 'Choose tables of the source.')
  if (draft.destination_connector_id === null) add('destination', 'destination_connector_id', 'No destination is chosen.', 'Choose a connector to write to.')
  for (const id of [draft.source_connector_id, draft.destination_connector_id]) {
    const used = connectors.find((one) => one.id === id)
    if (used && !used.is_active) add(used.connector_type, `${used.connector_type}_connector_id`, `${used.name} is switched off.`, 'Switch it on or choose another.')
  }
  return found
}

function targetProblems(draft: Draft): Problem[] {
  const found: Problem[] = []
  const places = new Map<string, string>()
  for (const one of draft.table_mappings ?? []) {
    if (!one.target) continue
    const place = one.target.join('/')
    const other = places.get(place)
    if (other) found.push({ block: 'destination', field: 'table_mappings', text: `${other} and ${keyOf(one.source)} both go to ${place}.`, hint: 'Give one of them another target.' })
    places.set(place, keyOf(one.source))
  }
  return found
}

function scheduleProblems(draft: Draft): Problem[] {
  const lacks = (field: string, text: string, hint: string): Problem[] => [{ block: 'task', field, text, hint }]
  if (draft.schedule_type === 'interval' && !draft.schedule_interval_seconds) return lacks('schedule_interval_seconds', 'The schedule has no interval.', 'Say after how many seconds it starts again.')
  if (draft.schedule_type === 'cron' && !draft.schedule?.cron) return lacks('schedule', 'The schedule has no cron expression.', 'Write five fields, such as 0 3 * * *.')
  if (draft.schedule_type === 'after_task' && !draft.schedule?.after_task_id) return lacks('schedule', 'The schedule waits for no task.', 'Choose the task it starts after.')
  return []
}

/** Change what is said of one table; a mapping that says nothing is left out. */
export function withMapping(draft: Draft, table: TableRef, more: Partial<Mapping>): Draft {
  const all = draft.table_mappings ?? []
  const old = all.find((one) => keyOf(one.source) === keyOf(table))
  const next = { ...old, source: table, ...more }
  const says = Object.entries(next).some(([field, value]) => field !== 'source' && value !== null && value !== undefined && (!Array.isArray(value) || value.length > 0))
  return { ...draft, table_mappings: says ? (old ? all.map((one) => (one === old ? next : one)) : [...all, next]) : all.filter((one) => one !== old) }
}

/** Set or clear where one table goes. */
export function withTarget(draft: Draft, table: TableRef, target: string): Draft {
  const path = target.split('/').map((part) => part.trim()).filter(Boolean)
  return withMapping(draft, table, { target: path.length ? path : null })
}

/** Name the column that tells new rows of a table from old ones; empty lets the server find it. */
export function withWatermark(draft: Draft, table: TableRef, column: string): Draft {
  const old = draft.table_mappings?.find((one) => keyOf(one.source) === keyOf(table))?.watermark
  const name = column.trim()
  return withMapping(draft, table, { watermark: name ? { ...(old?.column === name ? old : {}), column: name } : null })
}

export function moveTransformation(draft: Draft, from: number, to: number): Draft {
  const next = [...draft.transformations]
  const [one] = next.splice(from, 1)
  if (one === undefined) return draft
  next.splice(to, 0, one)
  return { ...draft, transformations: next }
}
