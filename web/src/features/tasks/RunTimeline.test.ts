import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'

import type { Execution } from '@/shared/api/types'

import RunTimeline from './RunTimeline.vue'

beforeEach(() => { vi.useFakeTimers({ now: Date.parse('2026-01-03T00:00:00Z') }) })
afterEach(() => { vi.useRealTimers() })

const run = (id: number, started_at: string, completed_at: string | null): Execution =>
  ({ id, started_at, completed_at, status: completed_at ? 'completed' : 'running', processed_rows: 1 }) as Execution
const RUNS = [run(1, '2026-01-01T00:00:00Z', '2026-01-01T01:00:00Z'), run(2, '2026-01-02T17:00:00Z', '2026-01-02T21:00:00Z'), run(3, '2026-01-02T23:00:00Z', null)]

it('shows the line of now where now is on the axis, and opens a run', () => {
  const shown = mount(RunTimeline, { props: { executions: RUNS, hours: 6, opened: null }, global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } } })
  expect(shown.find('.here').attributes('style')).toContain('left: 97.0')
  void shown.find('button').trigger('click')
  expect(shown.emitted('open')).toEqual([[2]])
  shown.unmount()
  const past = mount(RunTimeline, { props: { executions: RUNS, hours: 6, end: Date.parse('2026-01-01T02:00:00Z') }, global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } } })
  expect(past.find('.here').exists()).toBe(false)
  expect(past.find('button').exists()).toBe(false)
  expect(past.findAll('.run')).toHaveLength(1)
  past.unmount()
})

function timeline(hours?: number, executions = RUNS) {
  const shown = mount(RunTimeline, { props: { executions, hours }, global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } } })
  const found = { ids: shown.findAllComponents(RouterLinkStub).map((one) => one.text()), bars: shown.findAll('.bar').map((one) => one.attributes('style')), text: shown.text() }
  shown.unmount()
  return found
}

it('shows all of them without a span', () => {
  expect(timeline().ids).toEqual(['#1', '#2', '#3'])
})

it('shows what reaches into the span, from its beginning', () => {
  const { ids, bars } = timeline(6)
  expect(ids).toEqual(['#2', '#3'])
  expect(bars[0]).toContain('left: 0%')
  expect(bars[0]).toContain('width: 48.5')
})

it('says so when nothing ran in it', () => {
  vi.setSystemTime(Date.parse('2027-01-01T00:00:00Z'))
  expect(timeline(6, RUNS.slice(0, 2)).text).toBe('None in this time.')
})
