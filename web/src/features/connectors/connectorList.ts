/** Which connectors a list shows, in which order, and what is said of each. Pure. */
import type { ConnectorType, ConnectorView } from '@/shared/api/types'
import { bytes } from '@/shared/lib/format'
import { labelOf } from '@/shared/lib/schemaForm'

export interface ConnectorWanted {
  type: string
  test: string
  sort: string
}

export function typeOf(one: ConnectorView): string {
  return one.source_type ?? one.destination_type ?? ''
}

const ABILITIES = [['full_load', 'full load'], ['incremental', 'incremental'], ['cdc', 'CDC'], ['append', 'append'], ['partitions', 'partitions']] as const
export function abilitiesOf({ capabilities }: ConnectorType): string {
  return ABILITIES.filter(([key]) => capabilities[key]).map(([, text]) => text).join(' · ')
}

const NO_YES = ['no', 'yes'] as const
/** The settings that are given, as people read them: under the names the form has for them. */
export function settingsOf(one: ConnectorView): (readonly [label: string, value: string])[] {
  return Object.entries(one.connection_config).flatMap(([key, value]) => (value === '' || value === null ? [] : [[labelOf(key), settingOf(key, value)] as const]))
}

function settingOf(key: string, value: unknown): string {
  if (typeof value === 'boolean') return NO_YES[Number(value)] ?? ''
  if (typeof value === 'number' && key.endsWith('_bytes')) return bytes(value)
  return Array.isArray(value) ? value.join(', ') : String(value)
}

/** Where it leads to, as people write it. */
export function placeOf(one: ConnectorView): string {
  const config = one.connection_config
  if (config['host']) return `${String(config['host'])}:${String(config['port'])} / ${String(config['database'])}`
  if (config['bucket']) return `s3://${String(config['bucket'])}/${String(config['prefix'] ?? '')}`
  return String(config['path'] ?? config['account'] ?? config['dataset'] ?? '')
}

/** The connectors that fit, in the wanted order; equal ones by id, so that rows never swap by themselves. */
export function shownConnectors(all: readonly ConnectorView[], want: ConnectorWanted, usedBy: ReadonlyMap<number, number>): ConnectorView[] {
  const down = want.sort.startsWith('-')
  const keys: Readonly<Record<string, (one: ConnectorView) => string | number>> = {
    name: (one) => one.name.toLowerCase(),
    type: typeOf,
    test: (one) => one.test_status,
    used: (one) => usedBy.get(one.id) ?? 0,
  }
  const key = keys[down ? want.sort.slice(1) : want.sort] ?? ((one) => one.id)
  return all
    .filter((one) => (!want.type || typeOf(one) === want.type) && (!want.test || one.test_status === want.test))
    .sort((a, b) => {
      const [left, right] = [key(a), key(b)]
      const difference = left < right ? -1 : left > right ? 1 : 0
      return (down ? -difference : difference) || a.id - b.id
    })
}
