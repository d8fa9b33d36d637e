/** Calls of the API: paths, parameters, bodies and answers have the types of the OpenAPI document. */
import axios, { type AxiosRequestConfig } from 'axios'

import { ApiError, asApiError, ofBody } from './problem'
import type { paths } from './schema.gen'

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? O : never
type PathsWith<M extends Method> = {
  [P in keyof paths]: Operation<P, M> extends { responses: unknown } ? P : never
}[keyof paths]
type Success<O> = O extends { responses: infer R }
  ? R extends Record<number, unknown>
    ? JsonOf<R[keyof R & (200 | 201 | 202)]>
    : never
  : never
type JsonOf<R> = R extends { content: { 'application/json': infer T } } ? T : undefined
type Body<O> = O extends { requestBody: { content: { 'application/json': infer T } } } ? T : undefined

export interface Given {
  path?: Record<string, string | number>
  query?: Record<string, unknown>
  signal?: AbortSignal
  headers?: Record<string, string>
}

const http = axios.create({
  timeout: 90_000,
  xsrfCookieName: 'dtaas_csrf',
  xsrfHeaderName: 'X-CSRF-Token',
  paramsSerializer: { indexes: null },
})

let onLoggedOut: () => void = () => undefined

/** Say what to do when the server asks for a login. */
export function whenLoggedOut(action: () => void): void {
  onLoggedOut = action
}

/** Call any address of the API; for those the document does not have, on servers without them. */
export async function call<T>(method: Method, url: string, body?: unknown, given: Given = {}): Promise<T> {
  const config: AxiosRequestConfig = {
    method,
    url: filled(url, given.path),
    data: body,
    params: given.query,
    ...(given.signal ? { signal: given.signal } : {}),
    ...(given.headers ? { headers: given.headers } : {}),
  }
  try {
    return (await http.request<T>(config)).data
  } catch (thrown) {
    const error = asApiError(thrown)
    if (error.code === 'not_authenticated') onLoggedOut()
    throw error
  }
}

/** Ask for something that this server may not have; null when it has not. */
export async function callIfThere<T>(url: string, given: Given = {}): Promise<T | null> {
  try {
    return await call<T>('get', url, undefined, given)
  } catch (error) {
    if (error instanceof ApiError && [404, 405].includes(error.status)) return null
    throw error
  }
}

export const api = {
  get: <P extends PathsWith<'get'>>(path: P, given?: Given) =>
    call<Success<Operation<P, 'get'>>>('get', path, undefined, given),
  post: <P extends PathsWith<'post'>>(path: P, body: Body<Operation<P, 'post'>>, given?: Given) =>
    call<Success<Operation<P, 'post'>>>('post', path, body, given),
  put: <P extends PathsWith<'put'>>(path: P, body: Body<Operation<P, 'put'>>, given?: Given) =>
    call<Success<Operation<P, 'put'>>>('put', path, body, given),
  patch: <P extends PathsWith<'patch'>>(path: P, body: Body<Operation<P, 'patch'>>, given?: Given) =>
    call<Success<Operation<P, 'patch'>>>('patch', path, body, given),
  remove: <P extends PathsWith<'delete'>>(path: P, given?: Given) => call<unknown>('delete', path, undefined, given),
}

/** Put the values into `/api/tasks/{task_id}`. */
export function filled(path: string, values: Record<string, string | number> = {}): string {
  return path.replace(/\{(\w+)(?::\w+)?\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`${path} needs ${name}`)
    return encodeURIComponent(String(value))
  })
}

/** Read an answer of one JSON object a line, each as it arrives. */
export async function lines<T>(url: string, body: unknown, onLine: (line: T) => void, signal?: AbortSignal): Promise<void> {
  const answer = await posted(url, body, signal)
  if (!answer.ok || !answer.body) throw ofBody(answer.status, await answer.json().catch(() => null))
  let rest = ''
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    const parts = (rest + (value ?? '')).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) if (part) onLine(JSON.parse(part) as T)
    if (done) return
  }
}

async function posted(url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const token = /(?:^|; )dtaas_csrf=([^;]+)/.exec(document.cookie)?.[1]
  try {
    return await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token ? { 'X-CSRF-Token': token } : {}) },
      body: JSON.stringify(body),
      ...(signal ? { signal } : {}),
    })
  } catch (thrown) {
    if (signal?.aborted) return new Response('')
    throw new ApiError(0, 'unreachable', `The daemon did not answer: ${String(thrown)}`)
  }
}
