/** What can be done with several steps of a pipeline at once. Pure. */
import type { Draft, Transformation } from './draft'

const MARK = 'dtaas/steps'

/** Which steps blocks stand for, in order; ends of the pipeline are none. */
export function stepsAmong(ids: Iterable<string>): number[] {
  return [...ids].filter((id) => id.startsWith('transform-')).map((id) => Number(id.slice(10))).sort((a, b) => a - b)
}

export function withoutSteps(draft: Draft, at: readonly number[]): Draft {
  const gone = new Set(at)
  return { ...draft, transformations: draft.transformations.filter((_, index) => !gone.has(index)) }
}

/** Put steps before the step that is there; at the end when there is none. */
export function withSteps(draft: Draft, steps: readonly Transformation[], before: number): Draft {
  const { transformations: all } = draft
  return { ...draft, transformations: [...all.slice(0, before), ...steps.map((step) => JSON.parse(JSON.stringify(step)) as Transformation), ...all.slice(before)] }
}

/** Steps as a text that other programs can hold on to. */
export function textOf(draft: Draft, at: readonly number[]): string {
  return JSON.stringify({ [MARK]: at.flatMap((index) => draft.transformations[index] ?? []) }, null, 2)
}

/** The steps a text holds; none when it is about something else. */
export function stepsIn(text: string): Transformation[] {
  try {
    const found = (JSON.parse(text) as Record<string, unknown> | null)?.[MARK]
    return Array.isArray(found) ? found.filter((one): one is Transformation => typeof one === 'object' && one !== null && typeof (one as Transformation)['type'] === 'string') : []
  } catch {
    return [] // text of another program: not for us
  }
}
