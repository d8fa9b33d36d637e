/** Saved views of the list of tasks: its filters and order under a name. Pure. */
export interface SavedView {
  name: string
  query: Readonly<Record<string, string>>
}

const LIST = 'tasks'
const FIELDS = ['q', 'status', 'health', 'mode', 'connector', 'tag', 'owner', 'sort'] as const
const LONGEST = 60

/** What of an address makes a view; the rest is of the moment. */
export function queryOf(query: Readonly<Record<string, unknown>>): Record<string, string> {
  const found: Record<string, string> = {}
  for (const field of FIELDS) {
    const value = query[field]
    if (typeof value === 'string' && value) found[field] = value
  }
  return found
}

export function bodyOf(query: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { list: LIST, query: queryOf(query) }
}

/** Views of this list among everything that is kept; what another version wrote in another shape is left alone. */
export function viewsOf(items: readonly { name: string; body: unknown }[]): SavedView[] {
  return items.flatMap(({ name, body }) => {
    const { list, query } = (body ?? {}) as { list?: unknown; query?: unknown }
    return list === LIST && typeof query === 'object' && query !== null ? [{ name, query: queryOf(query as Record<string, unknown>) }] : []
  })
}

export function isSame(view: SavedView, query: Readonly<Record<string, unknown>>): boolean {
  const here = queryOf(query)
  return FIELDS.every((field) => (view.query[field] ?? '') === (here[field] ?? ''))
}

/** Why a name cannot be one; null when it can. */
export function wrongName(name: string): string | null {
  if (!name.trim()) return 'Write a name.'
  if (name.trim().length > LONGEST) return `At most ${String(LONGEST)} characters.`
  return /[/\\]/.test(name) ? 'A name has no slash.' : null
}
