/** Tags as people write them: several in a line, parted by commas. Pure. */
const LONGEST = 50
const MOST = 20

export function tagsOf(text: string): string[] {
  return [...new Set(text.split(',').map((part) => part.trim()).filter(Boolean))]
}

/** Why these cannot be the tags of a task; empty when they can. */
export function wrongTag(tags: readonly string[]): string {
  if (tags.length > MOST) return `At most ${String(MOST)} tags.`
  const long = tags.find((tag) => tag.length > LONGEST)
  return long ? `${long.slice(0, 12)}… is longer than ${String(LONGEST)} characters.` : ''
}

/** Every tag and every owner there is, in order, to choose from. */
export function chosenFrom(tasks: readonly { tags: readonly string[]; owner: string }[]): { tags: string[]; owners: string[] } {
  const order = (found: Iterable<string>) => [...new Set(found)].filter(Boolean).sort((a, b) => a.localeCompare(b))
  return { tags: order(tasks.flatMap((task) => task.tags)), owners: order(tasks.map((task) => task.owner)) }
}
