/** What metadata and target say of a table, in words, and what can be done where they differ. */
import type { PositionChoice, TablePositions } from '@/shared/api/types'
import { tableName } from '@/shared/lib/format'

export type Chosen = Readonly<Record<string, PositionChoice>>
type Held = TablePositions['store']

export const COMPARISONS: Readonly<Record<TablePositions['comparison'], string>> = {
  same: 'Both agree',
  target_ahead: 'The target is ahead',
  store_ahead: 'The target is behind',
  other_load: 'The target holds another load',
  target_empty: 'The target is empty',
}
export const CHOICES: Readonly<Record<PositionChoice, string>> = {
  target: 'Go on from the target',
  store: 'Go on from the metadata',
  reload: 'Load the table anew',
}

export function heldText(held: Held): string {
  return held.position ?? (held.load ? `load ${held.load}` : 'nothing')
}

/** Say what a choice does, and what it costs. */
export function choiceText(choice: PositionChoice, one: TablePositions): string {
  if (choice === 'reload') return 'everything is read and written again'
  if (choice === 'target') {
    return one.comparison === 'store_ahead' ? 'what the target lacks is read again from the source' : 'what the target has counts as delivered'
  }
  if (one.comparison === 'target_ahead') return 'what the target has beyond is read and written again'
  return one.comparison === 'store_ahead' ? 'what the target lacks is given up' : 'the load goes on where the metadata left it'
}

/** Return the tables that still need a choice. */
export function open(tables: readonly TablePositions[]): TablePositions[] {
  return tables.filter((one) => (one.choices ?? []).length > 0 && !one.choice)
}

/** Choose the same for every table where it can work; others keep what they have. */
export function chooseAll(tables: readonly TablePositions[], choice: PositionChoice, before: Chosen): Chosen {
  const able = tables.filter((one) => one.choices?.includes(choice))
  return { ...before, ...Object.fromEntries(able.map((one) => [tableName(one.table), choice])) }
}

/** Return what to send: one order a choice, none for a choice nobody made. */
export function orders(tables: readonly TablePositions[], chosen: Chosen): { choice: PositionChoice; tables: TablePositions['table'][] }[] {
  return (Object.keys(CHOICES) as PositionChoice[])
    .map((choice) => ({ choice, tables: tables.filter((one) => chosen[tableName(one.table)] === choice).map((one) => one.table) }))
    .filter((order) => order.tables.length > 0)
}
