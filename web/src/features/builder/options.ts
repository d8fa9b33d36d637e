/** Every option of a task in words: a form cannot leave one out, for the types would not fit. Pure. */
import type { TaskSpec } from '@/shared/api/types'

import type { Draft } from './draft'

type Options = NonNullable<TaskSpec['options']>
type OfTask = 'batch_size_mb' | 'batch_rows'
export type OptionName = keyof Options | OfTask
export type Group = 'Reading' | 'Changes' | 'Writing' | 'When something goes wrong'
export type OptionValue = string | number | boolean | null

export interface Option {
  group: Group
  label: string
  help: string
  standard: OptionValue
  kind: 'number' | 'flag' | 'choice'
  least?: number
  most?: number
  whole?: boolean
  choices?: Readonly<Record<string, string>>
  /** Asked for at a block of the pipeline instead of here. */
  at?: 'source' | 'destination'
}

const number = (group: Group, label: string, help: string, standard: number | null, least: number, most?: number): Option =>
  ({ group, label, help, standard, kind: 'number', whole: true, least, ...(most === undefined ? {} : { most }) })
const flag = (group: Group, label: string, help: string, standard: boolean): Option => ({ group, label, help, standard, kind: 'flag' })
const choice = (group: Group, label: string, help: string, standard: string, choices: Readonly<Record<string, string>>): Option => ({ group, label, help, standard, kind: 'choice', choices })

export const OPTIONS: Readonly<Record<OptionName, Option>> = {
  concurrent_tables: number('Reading', 'Tables side by side', 'How many tables are loaded at the same time.', 2, 1, 64),
  concurrent_chunks: number('Reading', 'Chunks side by side', 'Of all tables together; each takes a connection to the source.', 2, 1, 64),
  chunk_rows: number('Reading', 'Rows of a chunk', 'A table is cut into chunks of about as many rows; a load goes on after the last whole one.', 500_000, 1000, 100_000_000),
  batch_rows: number('Reading', 'Rows of a batch', 'The most rows on their way together.', 65_536, 100, 1_000_000),
  batch_size_mb: number('Reading', 'Megabytes of a batch', 'A batch is sent on when it is as large, however few rows it has.', 4, 1, 64),
  in_flight_mb: number('Reading', 'Megabytes in flight', 'Held between reading and writing, over the whole task; a slow destination slows the source instead.', 12, 8, 16_384),
  write_mode: { ...choice('Writing', 'Rows already there are', 'How loads meet what stands at the target.', 'overwrite', { overwrite: 'replaced', append: 'kept', truncate_insert: 'replaced within the same table' }), at: 'destination' },
  history: { ...flag('Writing', 'Every version of a row is kept', 'With the times it was valid between.', false), at: 'destination' },
  target_file_size_mb: number('Writing', 'Megabytes of a file', 'Files at the target are about as large.', 128, 1, 5120),
  take_over: flag('Writing', 'Take targets from the tasks that own them', 'For one run: it is switched off again once an execution completed.', false),
  capture: { ...choice('Changes', 'Changes are read by', 'Which way changes of the whole task are read.', 'cdc', { cdc: 'change data capture', change_tracking: 'Change Tracking', auto: 'the first of the two there is' }), at: 'source' },
  enable_capture: flag('Changes', 'Switch capture on where it is missing', 'When the login may; else the task says what to run.', true),
  drop_capture: flag('Changes', 'Drop our capture instances', 'When a table leaves the task, the capture instance made for it is dropped.', false),
  poll_interval_ms: number('Changes', 'Milliseconds between polls', 'Waited while the source has nothing new.', 500, 50, 3_600_000),
  window_rows: number('Changes', 'Change rows made durable together', 'Of one table; a larger transaction stays whole.', 200_000, 1, 100_000_000),
  merge_interval_s: { ...number('Changes', 'Seconds between windows of a table', 'Unless it is behind by more than one. Empty: what the destination’s cost asks for, 60 for Snowflake and else 0.', null, 0, 86_400), whole: false },
  on_gap: choice('When something goes wrong', 'A table whose changes are lost', 'Because the source does not keep them any more.', 'fail', { fail: 'stops and says so', reload: 'is loaded anew' }),
  max_rejected_rows: number('When something goes wrong', 'Rejected rows of a table', 'As many rows may be rejected by transformations in an execution; more fail the table.', 1000, 0, 1_000_000_000),
  max_attempts: number('When something goes wrong', 'Attempts at a table', 'Within an execution, before the table is given up.', 5, 1, 100),
  no_progress_s: number('When something goes wrong', 'Seconds without progress', 'Not a row and not a byte moved: the execution is begun again.', 600, 5),
  time_limit_s: number('When something goes wrong', 'Seconds an execution may take', 'A longer one fails; 0 is no limit.', 43_200, 0),
}

export const GROUPS: readonly Group[] = ['Reading', 'Writing', 'Changes', 'When something goes wrong']
const OF_TASK: ReadonlySet<string> = new Set<OfTask>(['batch_size_mb', 'batch_rows'])

export function optionsOf(group: Group): readonly (readonly [OptionName, Option])[] {
  return (Object.entries(OPTIONS) as [OptionName, Option][]).filter(([, option]) => option.group === group && option.at === undefined)
}

/** A value of an option as people read it; of none it says so. */
export function optionText(option: Option, value: OptionValue | undefined): string {
  if (value === null || value === undefined) return 'as the destination asks for'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'number' ? value.toLocaleString('en-US') : (option.choices?.[value] ?? value)
}

/** What a draft says of an option; undefined where it leaves it at its default. */
export function optionOf(draft: Draft, name: OptionName): OptionValue | undefined {
  const found = OF_TASK.has(name) ? draft[name as OfTask] : draft.options?.[name as keyof Options]
  return found === undefined || found === OPTIONS[name].standard ? undefined : found
}

/** The draft with an option set; with its default the option is not written down. */
export function withOption(draft: Draft, name: OptionName, value: OptionValue | undefined): Draft {
  const said = value === OPTIONS[name].standard ? undefined : value
  const owner = OF_TASK.has(name) ? draft : (draft.options ?? {})
  const rest = Object.fromEntries(Object.entries(owner).filter(([key]) => key !== name))
  const next = said === undefined ? rest : { ...rest, [name]: said }
  return OF_TASK.has(name) ? (next as Draft) : { ...draft, options: next }
}

/** The number somebody wrote, or what is wrong with it. An empty text is the default. */
export function read(option: Option, text: string): { value: number | undefined } | { wrong: string } {
  const trimmed = text.replaceAll(/[\s,]/g, '')
  if (trimmed === '') return { value: undefined }
  const found = Number(trimmed)
  if (!Number.isFinite(found) || (option.whole && !Number.isInteger(found))) return { wrong: `${option.label}: a ${option.whole ? 'whole ' : ''}number.` }
  const { least = -Infinity, most = Infinity } = option
  if (found >= least && found <= most) return { value: found }
  return { wrong: `${option.label}: ${most === Infinity ? `${String(least)} or more` : `from ${String(least)} to ${String(most)}`}.` }
}

/** How many options of a group are not at their default. */
export function changedIn(draft: Draft, group: Group): number {
  return optionsOf(group).filter(([name]) => optionOf(draft, name) !== undefined).length
}
