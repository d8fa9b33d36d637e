/** What the server says as it happens, and how far it can be trusted now. */
import { defineStore } from 'pinia'
import { computed, onScopeDispose, ref, shallowRef } from 'vue'

import { api } from '@/shared/api/client'
import type { LiveTask, TaskView } from '@/shared/api/types'
import { useNow } from '@/shared/lib/useNow'

import { Connection, nextFrame, type LinkState } from './connection'
import { NO_PICTURES, reduce, type Pictures } from './reduce'

const BANNER_AFTER_MS = 5000
const POLL_EVERY_MS = 10_000
const HISTORY = 240

export interface RatePoint {
  at: number
  rows_s: number
  mb_s: number
}

export const useLive = defineStore('live', () => {
  const pictures = shallowRef<Pictures>(NO_PICTURES)
  const state = ref<LinkState>('connecting')
  const retryAt = ref<number | null>(null)
  const lostAt = ref<number | null>(null)
  const paused = ref(false)
  const rates = shallowRef<ReadonlyMap<string, readonly RatePoint[]>>(new Map())
  const now = useNow()
  const users = new Map<string, number>()
  let polling: ReturnType<typeof setInterval> | undefined
  let onBack: () => void = () => undefined

  const connection = new Connection(
    {
      onMessages: (messages) => {
        if (paused.value) return
        pictures.value = reduce(pictures.value, messages)
        remember()
      },
      onState: (next, retry) => {
        const was = state.value
        state.value = next
        retryAt.value = retry
        if (next === 'live') {
          lostAt.value = null
          clearInterval(polling)
          polling = undefined
          if (was === 'lost') onBack()
        } else if (next === 'lost' && lostAt.value === null) {
          lostAt.value = Date.now()
          polling ??= setInterval(() => { void poll() }, POLL_EVERY_MS)
        }
      },
    },
    {
      open: () => new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`),
      now: Date.now,
      random: Math.random,
      frame: nextFrame,
    },
  )

  const stale = computed(() => paused.value || (state.value !== 'live' && state.value !== 'connecting'))
  const longLost = computed(() => lostAt.value !== null && now.value - lostAt.value >= BANNER_AFTER_MS)
  const tasks = computed(() => [...(pictures.value.tasks?.values() ?? [])])
  const loaded = computed(() => pictures.value.tasks !== null)
  const retryIn = computed(() => (retryAt.value === null ? 0 : Math.max(0, Math.ceil((retryAt.value - now.value) / 1000))))

  /** Keep the last minutes of rates, for charts that must not start empty at each visit. */
  function remember(): void {
    const at = Date.now()
    const next = new Map(rates.value)
    const add = (key: string, rows_s: number, mb_s: number) => {
      const known = next.get(key) ?? []
      const lastAt = known.at(-1)?.at ?? 0
      if (at - lastAt >= 1000) next.set(key, [...known.slice(1 - HISTORY), { at, rows_s, mb_s }])
    }
    let rows = 0
    let mb = 0
    for (const live of pictures.value.tasks?.values() ?? []) {
      if (!live.progress) continue
      rows += live.progress.rows_s
      mb += live.progress.mb_s
      add(String(live.task.id), live.progress.rows_s, live.progress.mb_s)
    }
    add('all', rows, mb)
    rates.value = next
  }

  /** While the socket is down, the plain API may still answer. */
  async function poll(): Promise<void> {
    try {
      const found = await api.get('/api/tasks', { query: { limit: 500 } })
      const dashboard = await api.get('/api/dashboard/metrics')
      if (state.value !== 'lost') return // the socket came back meanwhile, and knows better
      pictures.value = { ...pictures.value, tasks: new Map(found.items.map((task) => [task.id, briefly(task)])), dashboard }
      connection.hurry()
    } catch {
      return // the banner says so already, and the next round comes by itself
    }
  }

  function subscribe(topic: string): void {
    const known = users.get(topic) ?? 0
    users.set(topic, known + 1)
    if (known === 0) connection.subscribe(topic)
  }

  function unsubscribe(topic: string): void {
    const known = users.get(topic) ?? 0
    users.set(topic, known - 1)
    if (known === 1) connection.unsubscribe(topic)
  }

  function pause(on: boolean): void {
    paused.value = on
    if (!on) connection.start()
  }

  function whenBack(action: () => void): void {
    onBack = action
  }

  return {
    pictures, state, stale, longLost, lostAt, retryIn, paused, rates, tasks, loaded,
    start: () => { connection.start() },
    stop: () => { connection.stop() },
    hurry: () => { connection.hurry() },
    subscribe, unsubscribe, pause, whenBack,
  }
})

/** Subscribe to a topic for as long as the component lives. */
export function useTopic(topic: string): void {
  const live = useLive()
  live.subscribe(topic)
  onScopeDispose(() => { live.unsubscribe(topic) })
}

export function briefly(task: TaskView): LiveTask {
  return {
    progress: null,
    task: {
      ...task,
      tags: task.tags ?? [],
      owner: task.owner ?? '',
      mode: task.mode ?? 'full_load',
      table_count: task.source_tables.length,
      schedule_type: task.schedule_type ?? 'manual',
      schedule_interval_seconds: task.schedule_interval_seconds ?? null,
      is_active: task.is_active ?? true,
    },
  }
}
