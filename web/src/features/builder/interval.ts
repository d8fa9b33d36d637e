/** An interval as people give it: so many of a unit. Pure. */
export const UNITS = { s: 'seconds', min: 'minutes', h: 'hours', d: 'days' } as const
export type Unit = keyof typeof UNITS
const SECONDS: Readonly<Record<Unit, number>> = { s: 1, min: 60, h: 3600, d: 86_400 }
const LARGEST_FIRST: readonly Unit[] = ['d', 'h', 'min', 's']

/** The largest unit that measures it in whole numbers; minutes while nothing is said. */
export function unitOf(seconds: number | null | undefined): Unit {
  return seconds ? (LARGEST_FIRST.find((unit) => seconds % SECONDS[unit] === 0) ?? 's') : 'min'
}

export function inUnit(seconds: number | null | undefined, unit: Unit): number | null {
  return seconds ? seconds / SECONDS[unit] : null
}

/** The seconds of what somebody wrote; null for no number. */
export function secondsOf(text: string, unit: Unit): number | null {
  return Math.round(Number(text.replace(',', '.')) * SECONDS[unit]) || null
}
