/** Which connectors a list shows, and in which order. Pure. */
import type { ConnectorView } from '@/shared/api/types'

export interface ConnectorWanted {
  type: string
  test: string
  sort: string
}

export function typeOf(one: ConnectorView): string {
  return one.source_type ?? one.destination_type ?? ''
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
