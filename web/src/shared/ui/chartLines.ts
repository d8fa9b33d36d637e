/** Lines across a chart: what happened, a limit, and where the pointer is in a chart beside it. */
import type { Chart, Plugin } from 'chart.js'

export interface Mark {
  index: number
  text: string
  tone: 'busy' | 'good' | 'bad' | 'warn' | 'quiet'
}
export interface Limit {
  value: number
  text: string
}
export interface Drawn {
  marks: readonly Mark[]
  limit: Limit | undefined
  pointed: number | null
}

const TOKENS: Readonly<Record<Mark['tone'], string>> = { busy: 'primary', good: 'success', bad: 'danger', warn: 'warning', quiet: 'info' }

export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim()
}

/** `now` is asked at each drawing. */
export function linesOver(now: () => Drawn): Plugin {
  return {
    id: 'lines',
    afterDatasetsDraw(chart) {
      const { marks, limit, pointed } = now()
      for (const mark of marks) upright(chart, mark.index, token(`--el-color-${TOKENS[mark.tone]}`), [4, 3])
      if (limit) level(chart, limit)
      if (pointed !== null) upright(chart, pointed, token('--el-text-color-secondary'), [])
    },
  }
}

function upright({ ctx, chartArea, scales }: Chart, index: number, color: string, dash: number[]): void {
  const x = scales['x']?.getPixelForValue(index)
  if (x === undefined || x < chartArea.left || x > chartArea.right) return
  stroke(ctx, color, dash, [x, chartArea.top, x, chartArea.bottom])
}

function level({ ctx, chartArea, scales }: Chart, limit: Limit): void {
  const y = scales['y']?.getPixelForValue(limit.value)
  if (y === undefined || y < chartArea.top || y > chartArea.bottom) return
  const color = token('--el-color-danger')
  stroke(ctx, color, [6, 4], [chartArea.left, y, chartArea.right, y])
  ctx.save()
  ctx.fillStyle = color
  ctx.font = '11px sans-serif'
  ctx.textAlign = 'right'
  ctx.fillText(limit.text, chartArea.right - 2, y - 4)
  ctx.restore()
}

function stroke(ctx: CanvasRenderingContext2D, color: string, dash: number[], [x1, y1, x2, y2]: readonly [number, number, number, number]): void {
  ctx.save()
  ctx.strokeStyle = color
  ctx.setLineDash(dash)
  ctx.beginPath()
  ctx.moveTo(x1, y1)
  ctx.lineTo(x2, y2)
  ctx.stroke()
  ctx.restore()
}
