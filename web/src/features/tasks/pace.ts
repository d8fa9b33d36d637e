/** What holds tables up: the source, the steps or the destination. Pure. */
import type { TableProgress } from '@/shared/api/types'
import { count, percent } from '@/shared/lib/format'

export type Stage = 'read' | 'transform' | 'write'
/** Of the time, 0 to 1. */
export type Shares = Readonly<Record<Stage, number>>
type Measured = Pick<TableProgress, 'phase' | 'queued_batches' | 'read_share' | 'transform_share' | 'write_share'>

const STAGES: readonly Stage[] = ['read', 'transform', 'write']
/** Below it no part is at work for most of the time: nothing holds the table up, it waits for work. */
const HOLDS_UP = 0.5
const WORTH_TELLING = 0.01
const MOVING = new Set(['loading', 'committing', 'streaming'])
const VERBS: Readonly<Record<Stage, string>> = { read: 'read', transform: 'steps', write: 'write' }
const NOUNS: Readonly<Record<Stage, string>> = { read: 'Reading', transform: 'Transforming', write: 'Writing' }
const HINTS: Readonly<Record<Stage, string>> = {
  read: 'The source, or the network to it, sets the pace. More chunks side by side help if it has room.',
  transform: 'The steps of the task set the pace: this machine’s processor.',
  write: 'The destination, or the network to it, sets the pace.',
}

export function sharesOf(one: Measured): Shares | null {
  if (one.read_share == null) return null
  return { read: one.read_share, transform: one.transform_share ?? 0, write: one.write_share ?? 0 }
}

/** The part that is at work most of the time, if any is. */
export function slowest(shares: Shares | null): Stage | null {
  if (!shares) return null
  const most = STAGES.reduce((best, stage) => (shares[stage] > shares[best] ? stage : best))
  return shares[most] >= HOLDS_UP ? most : null
}

/** `read 93 %`, for where there is no room; empty when nothing holds the table up. */
export function heldUp(one: Measured): string {
  const shares = sharesOf(one)
  const stage = slowest(shares)
  return stage && shares ? `${VERBS[stage]} ${whole(shares[stage])}` : ''
}

/** All of it, in one line. */
export function paceText(one: Measured): string {
  const shares = sharesOf(one)
  if (!shares) return ''
  const queued = one.queued_batches ?? 0
  const waiting = MOVING.has(one.phase) ? `; ${queued === 1 ? 'one batch waits' : `${count(queued)} batches wait`} for the destination` : ''
  return `${STAGES.map((stage) => `${NOUNS[stage].toLowerCase()} ${whole(shares[stage])}`).join(', ')} of the time${waiting}`
}

export interface Pace {
  title: string
  note: string
  hint: string
}

/** Of all tables that move, or, once none does, of those that moved: on average. Null where nothing was measured. */
export function taskPace(tables: readonly Measured[]): Pace | null {
  const moving = tables.filter((one) => MOVING.has(one.phase))
  const measured = (moving.length ? moving : tables).flatMap((one) => sharesOf(one) ?? [])
  if (!measured.length) return null
  const mean = (stage: Stage) => measured.reduce((sum, one) => sum + one[stage], 0) / measured.length
  const shares: Shares = { read: mean('read'), transform: mean('transform'), write: mean('write') }
  const stage = slowest(shares)
  const queued = tables.reduce((sum, one) => sum + (one.queued_batches ?? 0), 0)
  const others = STAGES.filter((one) => one !== stage && shares[one] >= WORTH_TELLING).map((one) => `${VERBS[one]} ${whole(shares[one])}`)
  const all = `${STAGES.map((one) => `${NOUNS[one].toLowerCase()} ${whole(shares[one])}`).join(', ')} of the time${moving.length ? `, ${count(queued)} batches queued` : ''}.`
  return stage
    ? { title: NOUNS[stage], note: unbroken([whole(shares[stage]), ...others]), hint: `${HINTS[stage]} ${all}` }
    : { title: 'nothing', note: unbroken(others), hint: `No part is at work most of the time: it waits for work. ${all}` }
}

/** A tile is narrow: a line ends between parts, not inside one. */
function unbroken(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll(' ', '\u00a0')).join(' · ')
}
function whole(share: number): string {
  return percent(share * 100)
}
