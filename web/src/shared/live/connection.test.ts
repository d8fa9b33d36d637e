import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { backoff, Connection, type LinkState } from './connection'
import type { Message } from './reduce'

class Wire {
  readyState: number = WebSocket.CONNECTING
  said: unknown[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  send(text: string): void {
    this.said.push(JSON.parse(text))
  }
  close(): void {
    this.readyState = WebSocket.CLOSED
    this.onclose?.({ code: 1006 })
  }
  opens(): void {
    this.readyState = WebSocket.OPEN
    this.onopen?.()
  }
  tells(seq: number, topic = 'tasks'): void {
    this.onmessage?.({ data: JSON.stringify({ v: 1, seq, topic, type: 'delta', ts: '', data: {} }) })
  }
}

let wires: Wire[]
let states: LinkState[]
let got: Message[][]
let frames: (() => void)[]
let connection: Connection
const wire = (at = -1): Wire => {
  const found = wires.at(at)
  if (!found) throw new Error('no such connection')
  return found
}

beforeEach(() => {
  vi.useFakeTimers()
  wires = []
  states = []
  got = []
  frames = []
  connection = new Connection(
    { onMessages: (messages) => got.push([...messages]), onState: (state) => states.push(state) },
    {
      open: () => {
        wires.push(new Wire())
        return wire() as unknown as WebSocket
      },
      now: Date.now,
      random: () => 1,
      frame: (run) => frames.push(run),
    },
  )
})
afterEach(() => {
  connection.stop()
  vi.useRealTimers()
})

describe('Connection', () => {
  it('is live from the first message and hands all of a frame on at once', () => {
    connection.start()
    wire().opens()
    for (const seq of [1, 2, 3]) wire().tells(seq)
    expect(states).toEqual(['connecting', 'live'])
    expect(frames).toHaveLength(1)
    frames[0]?.()
    expect(got.map((batch) => batch.map((one) => one.seq))).toEqual([[1, 2, 3]])
  })

  it('asks for everything anew after a gap', () => {
    connection.start()
    wire().opens()
    connection.subscribe('task:7')
    wire().tells(1)
    wire().tells(3)
    expect(wire().said.at(-1)).toEqual({ op: 'subscribe', topics: ['tasks', 'task:7'] })
    const said = wire().said.length
    wire().tells(4)
    expect(wire().said).toHaveLength(said)
  })

  it('comes back by itself and subscribes again', () => {
    connection.start()
    wire().opens()
    connection.subscribe('dashboard')
    wire().tells(1)
    wire().close()
    expect(states.at(-1)).toBe('lost')
    vi.advanceTimersByTime(backoff(0, 1))
    expect(wires).toHaveLength(2)
    wire().opens()
    expect(wire().said).toEqual([{ op: 'subscribe', topics: ['dashboard'] }])
    wire().tells(1)
    expect(states.at(-1)).toBe('live')
  })

  it('closes a connection that is silent for too long', () => {
    connection.start()
    wire().opens()
    wire().tells(1)
    vi.advanceTimersByTime(60_000)
    expect(states).toContain('lost')
    expect(wires.length).toBeGreaterThan(1)
  })

  it('does not come back when a login is needed', () => {
    connection.start()
    wire().onclose?.({ code: 4401 })
    vi.advanceTimersByTime(60_000)
    expect(states.at(-1)).toBe('logged_out')
    expect(wires).toHaveLength(1)
  })
})

it('waits longer each time, never longer than 15 s, never the same for all', () => {
  expect([0, 1, 2, 10].map((attempt) => backoff(attempt, 1))).toEqual([500, 1000, 2000, 15_000])
  expect(backoff(10, 0.5)).toBe(7500)
})
