/** Where in the builder a mistake is, and which field to look at. Pure. */
import { stepAt, type Draft, type Problem } from './draft'

interface Told {
  detail: string
  hint?: string
  field?: string | null
}

const OF_SOURCE = /source|^\$?\.?mode|table_rules|watermark|capture|\.key/
const OF_DESTINATION = /destination|mapping|format|write_mode|target|take_over|options\.history/
const FIELDS: readonly [RegExp, string][] = [
  [/^\$?\.?name/, 'b-name'], [/source_connector_id/, 'b-source'], [/source_tables|table_rules/, 't-find'], [/^\$?\.?mode/, 'b-mode'], [/destination_connector_id/, 'b-destination'],
  [/s3_file_format/, 'b-format'], [/write_mode/, 'b-write'], [/options\.history/, 'b-history'], [/schedule_interval_seconds/, 'b-every'], [/cron/, 'b-cron'], [/timezone/, 'b-zone'], [/after_task/, 'b-after'], [/^\$?\.?schedule/, 'b-when'], [/^\$?\.?tags/, 'b-tags'],
]

/** A mistake the server found, at the block it belongs to. */
export function placed(told: Told, draft: Draft): Problem {
  const field = told.field ?? ''
  const step = stepAt(draft, field)
  const block = step !== null ? `transform-${String(step)}` : OF_SOURCE.test(field) ? 'source' : OF_DESTINATION.test(field) ? 'destination' : 'task'
  return { block, field, text: told.detail, hint: told.hint ?? '' }
}

/** What the page found itself, then what else the server found: nothing is said twice. */
export function allProblems(own: readonly Problem[], told: readonly Problem[]): Problem[] {
  const root = (field: string) => field.replace(/^\$\./, '').split(/[.[]/)[0] ?? ''
  const known = new Set(own.map((one) => root(one.field)))
  const texts = new Set(own.map((one) => one.text))
  return [...own, ...told.filter((one) => !texts.has(one.text) && (one.block.startsWith('transform-') || !known.has(root(one.field))))]
}

/** Id of the input a problem is about; empty when there is none. */
export function inputOf(problem: Problem): string {
  if (problem.block.startsWith('transform-')) return `f-${/\.(\w+)(?:\[\d+\])?$/.exec(problem.field)?.[1] ?? 'column'}`
  return FIELDS.find(([pattern]) => pattern.test(problem.field))?.[1] ?? ''
}
