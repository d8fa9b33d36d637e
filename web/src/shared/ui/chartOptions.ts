/** How a chart is drawn, from what it shows. */
import type { ChartDataset, ChartOptions } from 'chart.js'

import { token, type Limit } from './chartLines'

export interface Series {
  name: string
  values: readonly (number | null)[]
  tone: 'primary' | 'success' | 'warning' | 'danger' | 'info' | 'teal' | 'violet'
}
export interface Shape {
  kind: 'line' | 'bar'
  /** One on top of the other: together they are the whole. */
  stacked: boolean
  log: boolean
  limit: Limit | undefined
  format: (value: number) => string
}

/** A logarithm knows no 0: what is caught up stands on the ground. */
const GROUND = 0.1
const LEAST_TOP = 10
const LEAST_BARS = 4
const ABOVE_LIMIT = 1.15
const DOT = 2.5
const SECONDS_BELOW_MIN = 6
const MINUTES_A_DAY = 1440

/** A time on the axis: over minutes its seconds say nothing. */
export function tickOf(label: string, first: string, last: string): string {
  const minute = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5))
  const span = (minute(last) - minute(first) + MINUTES_A_DAY) % MINUTES_A_DAY
  return /^\d\d:\d\d:\d\d$/.test(label) && span >= SECONDS_BELOW_MIN ? label.slice(0, 5) : label
}

export function datasetsOf(series: readonly Series[], hidden: ReadonlySet<string>, shape: Shape): ChartDataset<'line' | 'bar', (number | null)[]>[] {
  return series.map((one, at) => {
    const color = token(`--el-color-${one.tone}`)
    const values = drawnOf(one.values, shape)
    return {
      label: one.name, data: values, hidden: hidden.has(one.name), maxBarThickness: 28, categoryPercentage: 1, barPercentage: 0.9, minBarLength: 2, borderColor: color, borderWidth: shape.kind === 'bar' ? 0 : 2, pointRadius: values.map((_, index) => (alone(values, index) ? DOT : 0)), pointBackgroundColor: color, tension: shape.stacked ? 0 : 0.2,
      fill: shape.kind === 'bar' ? false : shape.stacked && at > 0 ? '-1' : 'origin',
      backgroundColor: shape.kind === 'bar' ? color : `color-mix(in srgb, ${color} ${shape.stacked ? '35' : '14'}%, transparent)`,
    }
  })
}

/** Bars have a least length to be seen by, which nothing must not have. */
function drawnOf(values: readonly (number | null)[], { kind, log }: Shape): (number | null)[] {
  if (kind === 'bar') return values.map((value) => value || null)
  return log ? values.map((value) => (value === null ? null : Math.max(value, GROUND))) : [...values]
}

/** Without a neighbour there is no line to be seen. */
function alone(values: readonly (number | null)[], at: number): boolean {
  return values[at] !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null
}

export function optionsOf(shape: Shape, told: { value: (series: number, index: number) => number | null; pointed: (index: number | null) => void; picked: (index: number) => void }): ChartOptions<'line' | 'bar'> {
  const text = token('--el-text-color-secondary')
  const line = token('--el-border-color-lighter')
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches
  const { format, stacked, limit } = shape
  return {
    responsive: true, maintainAspectRatio: false, animation: still ? false : { duration: 200 },
    interaction: { mode: 'index', intersect: false },
    onHover: (event, _, chart) => { told.pointed(event.x === null ? null : indexAt(chart.scales['x']?.getValueForPixel(event.x))) },
    onClick: (event, _, chart) => {
      const index = event.x === null ? null : indexAt(chart.scales['x']?.getValueForPixel(event.x))
      if (index !== null) told.picked(index)
    },
    plugins: { tooltip: { callbacks: { label: (item) => `${item.dataset.label ?? ''}: ${format(told.value(item.datasetIndex, item.dataIndex) ?? 0)}` } } },
    scales: {
      x: { stacked, ticks: { color: text, maxTicksLimit: 6, autoSkipPadding: 18, maxRotation: 0, callback(value) { return tickOf(this.getLabelForValue(Number(value)), this.getLabelForValue(0), this.getLabelForValue(this.max)) } }, grid: { color: line } },
      y: shape.log
        ? { type: 'logarithmic', min: GROUND, ticks: { color: text, maxTicksLimit: 6, callback: (value) => format(Number(value)) }, grid: { color: line } }
        : { stacked, beginAtZero: true, suggestedMax: limit ? limit.value * ABOVE_LIMIT : shape.kind === 'bar' ? LEAST_BARS : LEAST_TOP, ticks: { color: text, maxTicksLimit: 6, callback: (value) => format(Number(value)) }, grid: { color: line } },
    },
  }
}

function indexAt(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) || value < 0 ? null : Math.round(value)
}
