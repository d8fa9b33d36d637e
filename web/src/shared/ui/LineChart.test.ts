import { mount } from '@vue/test-utils'
import type { ChartOptions } from 'chart.js'
import { createPinia } from 'pinia'
import { beforeEach, expect, it, vi } from 'vitest'
import { nextTick } from 'vue'

import LineChart from './LineChart.vue'

interface Drawn { labels?: string[]; datasets?: { data: (number | null)[]; hidden: boolean; pointRadius: number[] }[] }
const drawn = vi.hoisted(() => ({ updates: 0, destroyed: 0 }))
const charts = vi.hoisted(() => [] as { data: Drawn; draws: number; options: ChartOptions<'line'>; scales: object }[])
vi.mock('chart.js', async (original) => ({
  ...(await original<typeof import('chart.js')>()),
  Chart: class {
    static register(): void { drawn.updates = 0 }
    data: Drawn = {}
    draws = 0
    scales = { x: { getValueForPixel: (x: number) => x / 100 } }
    options: ChartOptions<'line'>
    constructor(_: unknown, config: { options: ChartOptions<'line'> }) {
      this.options = config.options
      charts.push(this)
    }
    draw(): void { this.draws += 1 }
    update(): void { drawn.updates += 1 }
    destroy(): void { drawn.destroyed += 1 }
  },
}))

beforeEach(() => {
  Object.assign(drawn, { updates: 0, destroyed: 0 })
  charts.length = 0
})

function mounted(props: object) {
  const series = [{ name: 'rows', values: [0, 2], tone: 'primary' }, { name: 'more', values: [null, 0], tone: 'teal' }]
  return mount(LineChart, { props: { title: 'Rows', labels: ['a', 'b'], series, format: String, ...props } as never, global: { plugins: [createPinia()] } })
}

it('shows where the pointer is in every chart of its group, and in no other', async () => {
  mounted({ group: 'time' })
  const [beside, apart] = [mounted({ group: 'time' }), mounted({})]
  const [first, second, third] = charts
  first?.options.onHover?.({ x: 100 } as never, [], first as never)
  await nextTick()
  expect([first?.draws, second?.draws, third?.draws]).toEqual([1, 1, 0])
  await beside.get('[role=img]').trigger('mouseleave')
  expect([first?.draws, second?.draws]).toEqual([2, 2])
  apart.unmount()
})

it('says which stretch was chosen, where one can be', async () => {
  const [chart, plain] = [mounted({ pick: 'Tasks at' }), mounted({})]
  for (const one of charts) one.options.onClick?.({ x: 110 } as never, [], one as never)
  expect([chart.emitted('pick'), plain.emitted('pick')]).toEqual([[[1]], undefined])
  await chart.get('[aria-label="Show Rows as table"]').trigger('click')
  await chart.get('[aria-label="Tasks at a"]').trigger('click')
  expect(chart.emitted('pick')).toEqual([[1], [0]])
})

it('leaves out what somebody does not want to see, and neither draws nor names a bar of nothing', async () => {
  const chart = mounted({ kind: 'bar' })
  expect(charts[0]?.options.scales).toMatchObject({ x: { stacked: true }, y: { stacked: true } })
  expect(charts[0]?.data.datasets?.map(({ data }) => data)).toEqual([[null, 2], [null, null]])
  expect(chart.findAll('.legend button')).toHaveLength(1)
  await chart.get('.legend button').trigger('click')
  expect(charts[0]?.data.datasets?.map(({ hidden }) => hidden)).toEqual([true, false])
})

it('shows a value without neighbours as a point, and what is caught up on a logarithm', async () => {
  const chart = mounted({ log: true, series: [{ name: 'lag', values: [null, 0, null, 3, 4], tone: 'warning' }] })
  expect(charts[0]?.data.datasets?.[0]?.pointRadius.map(Boolean)).toEqual([false, true, false, false, false])
  await chart.get('[aria-label="Logarithmic scale for Rows"]').trigger('click')
  expect(charts.at(-1)?.data.datasets?.[0]?.data).toEqual([null, 0.1, null, 3, 4])
})

it('fills no chart that is gone when its idle moment comes', async () => {
  vi.useFakeTimers()
  const series = (value: number) => [{ name: 'rows', values: [value], tone: 'primary' as const }]
  const chart = mount(LineChart, {
    props: { title: 'Rows', labels: ['12:00'], series: series(1), format: String },
    global: { plugins: [createPinia()] },
  })
  expect(drawn.updates).toBe(1)
  await chart.setProps({ series: series(2) })
  vi.runAllTimers()
  expect(drawn.updates).toBe(2)
  await chart.setProps({ series: series(3) })
  chart.unmount()
  vi.runAllTimers()
  expect(drawn).toEqual({ updates: 2, destroyed: 1 })
  vi.useRealTimers()
})

it('is drawn anew when its values are of another unit', async () => {
  const chart = mounted({})
  await chart.setProps({ format: (value: number) => `${String(value)} B` })
  const ticks = charts.map(({ options }) => (options.scales?.['y']?.ticks?.callback as ((value: number) => string) | undefined)?.(2))
  expect([ticks, drawn.destroyed]).toEqual([['2', '2 B'], 1])
})
