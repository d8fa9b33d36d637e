/** Values as a file that spreadsheets open. Pure. */
export type Cell = string | number | null

/** RFC 4180: lines end with CR LF, texts with anything special in them are quoted; null is an empty field. */
export function csvOf(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return [header, ...rows].map((row) => row.map(field).join(',') + '\r\n').join('')
}

function field(value: Cell): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  // A spreadsheet would take these for formulas, and names of tasks are written by people.
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
