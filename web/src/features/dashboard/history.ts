/** What the daemon kept of its figures, read. Pure. */
export interface Point {
  at: string
  average: number
  least: number
  most: number
}
export interface History {
  series: readonly { name: string; points: readonly Point[] }[]
}

export function pointsOf(history: History | null, name: string): readonly Point[] {
  return history?.series.find((one) => one.name === name)?.points ?? []
}

export interface Newest {
  lag_s: number | null
  margin_h: number | null
  memory_mb: number | null
  disk_free_mb: number | null
  cpu_percent: number | null
}

/** The last value of each figure, unless it is older than `since` (ms): what was a minute ago is not now. */
export function newest(history: History | null, since: number): Newest {
  const last = (name: string): Point | null => {
    const point = pointsOf(history, name).at(-1)
    return point && Date.parse(point.at) >= since ? point : null
  }
  return {
    lag_s: last('replication_lag_s')?.most ?? null,
    margin_h: last('retention_margin_h')?.least ?? null,
    memory_mb: last('memory_mb')?.average ?? null,
    disk_free_mb: last('disk_free_mb')?.least ?? null,
    cpu_percent: last('host_cpu_percent')?.average ?? null,
  }
}
