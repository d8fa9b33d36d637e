import { expect, it } from 'vitest'

import { barsOf, summaryOf, type Run } from './runSpark'

const run = (id: number, status: Run['status'], duration_seconds: number | null = 10): Run => ({ id, status, processed_rows: 1000 * id, duration_seconds })

it('draws what went well upwards, what failed downwards, and how long each took', () => {
  const bars = barsOf([run(1, 'completed', 40), run(2, 'failed', 10), run(3, 'partial', 1), run(4, 'running', null)])
  expect(bars.map(({ side, height, tone }) => [side, height, tone])).toEqual([
    ['up', 1, 'good'], ['down', 0.25, 'bad'], ['middle', 0.2, 'warn'], ['middle', 0.2, 'busy'],
  ])
  expect(bars[0]?.text).toBe('#1 completed, 1,000 rows, 40 s')
  expect(barsOf([run(5, 'completed', 0)])[0]?.height).toBe(1)
})

it('says the same in words', () => {
  expect(summaryOf([run(1, 'completed')])).toBe('Last run: 1 completed')
  expect(summaryOf([run(1, 'completed'), run(2, 'failed'), run(3, 'completed')])).toBe('Last 3 runs: 2 completed, 1 failed')
})
