/** Errors of the API in one shape, whatever went wrong on the way. */
import { AxiosError } from 'axios'

import type { TaskAction, ValueProblem } from './types'

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint = '',
    readonly field: string | null = null,
    readonly requestId = '',
    readonly allowedActions: readonly TaskAction[] = [],
    readonly values: readonly ValueProblem[] = [],
  ) {
    super(message)
    this.name = 'ApiError'
  }

  /** Whether the daemon did not answer at all. */
  get unreachable(): boolean {
    return this.status === 0
  }
}

/** Turn anything that was thrown into an ApiError. */
export function asApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown
  if (!(thrown instanceof AxiosError)) {
    return new ApiError(-1, 'page_error', thrown instanceof Error ? thrown.message : String(thrown))
  }
  const answer = thrown.response
  if (!answer) {
    return new ApiError(
      0,
      'unreachable',
      'The daemon did not answer.',
      'Look whether it runs: systemctl status dtaas, or the terminal it was started in.',
    )
  }
  return ofBody(answer.status, answer.data as unknown)
}

/** Read a problem out of a body, which a proxy on the way may have written. */
export function ofBody(status: number, body: unknown): ApiError {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const text = (name: string) => (typeof problem[name] === 'string' ? problem[name] : '')
  return new ApiError(
    status,
    text('code') || 'http_error',
    text('detail') || `The server answered with status ${String(status)}.`,
    text('hint'),
    text('field') || null,
    text('request_id'),
    Array.isArray(problem['allowed_actions']) ? (problem['allowed_actions'] as TaskAction[]) : [],
    Array.isArray(problem['values']) ? (problem['values'] as ValueProblem[]) : [],
  )
}
