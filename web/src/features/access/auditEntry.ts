/** What an entry of the audit log says, as texts to compare. Pure. */
import type { AuditEntry } from '@/shared/api/types'

export function pretty(json: string | null | undefined): string {
  if (!json) return ''
  try {
    return JSON.stringify(JSON.parse(json), null, 2)
  } catch {
    return json
  }
}

/** Where the page shows the object of an entry; null when it shows none of its kind. */
export function placeOf(entry: AuditEntry): string | null {
  const found = /^\/api\/(tasks|connectors|executions)\/(\d+)(\/|$)/.exec(entry.object)
  return found ? `/${found[1] ?? ''}/${found[2] ?? ''}` : null
}
