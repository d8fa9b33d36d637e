import { mount } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, it, vi } from 'vitest'

import LineChart from './LineChart.vue'

const drawn = vi.hoisted(() => ({ updates: 0, destroyed: 0 }))
vi.mock('chart.js', async (original) => ({
  ...(await original<typeof import('chart.js')>()),
  Chart: class {
    static register(): void { drawn.updates = 0 }
    data = {}
    update(): void { drawn.updates += 1 }
    destroy(): void { drawn.destroyed += 1 }
  },
}))

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
