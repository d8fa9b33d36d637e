/** Lines of a log as people read and search them. Pure. */
export interface LogLine {
  id: number
  at: string
  level: string
  event: string
  fields: Record<string, unknown>
}
export interface ShownLine extends LogLine {
  text: string
}

/** The same in every line of an execution, whose page says them. */
const OF_ALL: ReadonlySet<string> = new Set(['execution_id', 'task_id'])

export function withText(line: LogLine): ShownLine {
  return { ...line, text: Object.entries(line.fields).filter(([key]) => !OF_ALL.has(key)).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join('  ') }
}

/** Words anywhere in a line; between slashes a regular expression. One that is not finished yet finds everything. */
export function lineFinder(text: string): (line: ShownLine) => boolean {
  const wanted = text.trim()
  const whole = (line: ShownLine) => `${line.event} ${line.text}`
  const pattern = /^\/(.+)\/$/.exec(wanted)?.[1]
  if (pattern === undefined) return (line) => whole(line).toLowerCase().includes(wanted.toLowerCase())
  try {
    const compiled = new RegExp(pattern, 'i')
    return (line) => compiled.test(whole(line))
  } catch {
    return () => true
  }
}
