/** Draft ⇄ blocks and arrows of the canvas. A task is a chain: source, transformations in order, destination. Pure. */
import { capital } from '@/shared/lib/format'

import { keyOf, moveTransformation, type Draft } from './draft'

export interface Block {
  id: string
  kind: 'source' | 'transform' | 'destination'
  title: string
  text: string
  problems: number
}

export interface Arrow {
  id: string
  source: string
  target: string
}

const GAP_X = 240
const GAP_Y = 150
const LEAST_IN_A_ROW = 2

export function blocksInARow(width: number): number {
  return Math.max(LEAST_IN_A_ROW, Math.floor(width / GAP_X))
}

/** Where the nth block stands when nobody moved it: in rows, read as text is. */
export function placeOf(at: number, perRow: number): { x: number; y: number } {
  return { x: 20 + (at % perRow) * GAP_X, y: 40 + Math.floor(at / perRow) * GAP_Y }
}

export function blocksOf(draft: Draft, name: (id: number | null) => string, problems: Readonly<Record<string, number>> = {}): Block[] {
  const tables = draft.source_tables
  const what = tables.length === 1 && tables[0] ? keyOf(tables[0]) : `${String(tables.length)} tables`
  return [
    { id: 'source', kind: 'source', title: name(draft.source_connector_id), text: what, problems: problems['source'] ?? 0 },
    ...draft.transformations.map((one, at): Block => ({
      id: `transform-${String(at)}`, kind: 'transform', title: `${String(at + 1)} ${capital(wordOf(one))}`, text: summaryOf(one), problems: problems[`transform-${String(at)}`] ?? 0,
    })),
    { id: 'destination', kind: 'destination', title: name(draft.destination_connector_id), text: draft.s3_file_format ?? '', problems: problems['destination'] ?? 0 },
  ]
}

export function arrowsOf(blocks: readonly Block[]): Arrow[] {
  return blocks.slice(1).flatMap((block, at) => {
    const before = blocks[at]
    return before ? [{ id: `${before.id}>${block.id}`, source: before.id, target: block.id }] : []
  })
}

/** Why an arrow from one block to another is not possible; empty when it is. */
export function refusal(source: string, target: string): string {
  if (source === target) return 'A block cannot follow itself.'
  if (source === 'destination') return 'Nothing comes after the destination.'
  if (target === 'source') return 'Nothing comes before the source.'
  if (source === 'source' && target === 'destination') return 'Remove the transformations between them instead.'
  return ''
}

/** The draft after an arrow was drawn: the second block comes right after the first. */
export function connected(draft: Draft, source: string, target: string): Draft {
  if (refusal(source, target)) return draft
  const at = (id: string) => Number(id.replace('transform-', ''))
  if (target === 'destination') return moveTransformation(draft, at(source), draft.transformations.length - 1)
  const from = at(target)
  if (source === 'source') return moveTransformation(draft, from, 0)
  const to = at(source)
  return moveTransformation(draft, from, from < to ? to : to + 1)
}

/** The order of transformations that the arrows describe; null when the chain is broken. */
export function chainOf(arrows: readonly Arrow[]): number[] | null {
  const next = new Map(arrows.map((arrow) => [arrow.source, arrow.target]))
  const chain: number[] = []
  let at = next.get('source')
  while (at !== undefined && at !== 'destination' && chain.length <= arrows.length) {
    chain.push(Number(at.replace('transform-', '')))
    at = next.get(at)
  }
  return at === 'destination' ? chain : null
}

export function wordOf(transformation: Record<string, unknown>): string {
  const type = transformation['type']
  return typeof type === 'string' ? type.replaceAll('_', ' ') : 'transformation'
}

function summaryOf(transformation: Record<string, unknown>): string {
  const text = Object.entries(transformation).filter(([key]) => !SILENT.has(key)).flatMap(([, value]) => wordsOf(value)).join(' · ')
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}

/** Values speak for themselves: `c_phone · mask`. */
const SILENT: ReadonlySet<string> = new Set(['type', 'on_error'])

function wordsOf(value: unknown): string[] {
  if (value === null || value === undefined || value === '') return []
  if (Array.isArray(value)) return value.flatMap(wordsOf)
  if (typeof value === 'object') return Object.entries(value).map(([key, one]) => `${key.replaceAll('_', ' ')} ${typeof one === 'string' ? one : JSON.stringify(one)}`)
  return [typeof value === 'string' ? value : JSON.stringify(value)]
}
