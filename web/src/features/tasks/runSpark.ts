/** The last runs of a task as a row of bars: up is good, down is bad, and a run neither stands in the middle. Pure. */
import type { ExecutionStatus } from '@/shared/api/types'
import { count, duration } from '@/shared/lib/format'
import { EXECUTION_LOOKS, type Tone } from '@/shared/lib/states'

export interface Run {
  id: number
  status: ExecutionStatus
  processed_rows: number
  duration_seconds: number | null
}
export interface Bar {
  id: number
  tone: Tone
  /** Where it stands, so that colour is not all that tells them apart. */
  side: 'up' | 'down' | 'middle'
  /** Of its side, 0.2 to 1: how long the run took beside the longest. */
  height: number
  text: string
}

const LEAST = 0.2

export function barsOf(runs: readonly Run[]): Bar[] {
  const longest = Math.max(0, ...runs.map((one) => one.duration_seconds ?? 0))
  return runs.map((one) => {
    const look = EXECUTION_LOOKS[one.status]
    const part = longest > 0 ? (one.duration_seconds ?? 0) / longest : 1
    return {
      id: one.id,
      tone: look.tone,
      side: look.tone === 'good' ? 'up' : look.tone === 'bad' ? 'down' : 'middle',
      height: Math.max(LEAST, part),
      text: `#${String(one.id)} ${look.text}, ${count(one.processed_rows)} rows, ${duration(one.duration_seconds)}`,
    }
  })
}

/** `Last 5 runs: 3 completed, 2 failed`: what the bars say, in words. */
export function summaryOf(runs: readonly Run[]): string {
  const counted = new Map<string, number>()
  for (const one of runs) counted.set(EXECUTION_LOOKS[one.status].text, (counted.get(EXECUTION_LOOKS[one.status].text) ?? 0) + 1)
  const parts = [...counted].map(([text, times]) => `${String(times)} ${text}`)
  return `Last ${runs.length === 1 ? 'run' : `${String(runs.length)} runs`}: ${parts.join(', ')}`
}
