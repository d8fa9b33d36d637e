/** One WebSocket that comes back by itself, and says when what it told cannot be trusted any more. */
import type { Message } from './reduce'

export type LinkState = 'connecting' | 'live' | 'lost' | 'logged_out'

export interface Listener {
  onMessages: (messages: readonly Message[]) => void
  onState: (state: LinkState, retryAt: number | null) => void
}

export interface Environment {
  open: () => WebSocket
  now: () => number
  random: () => number
  frame: (run: () => void) => void
}

const SHORTEST_MS = 500
const LONGEST_MS = 15_000
const PING_EVERY_MS = 15_000
const SILENCE_MS = 35_000
const CLOSED_LOGIN = 4401

/** Wait before the nth attempt: full jitter, so that a restarted daemon is not stormed. */
export function backoff(attempt: number, random: number): number {
  const most = Math.min(LONGEST_MS, SHORTEST_MS * 2 ** attempt)
  return Math.max(SHORTEST_MS / 2, random * most)
}

export class Connection {
  private socket: WebSocket | null = null
  private readonly topics = new Set<string>()
  private waiting: Message[] = []
  private seq = 0
  private attempt = 0
  private heardAt = 0
  private retry: ReturnType<typeof setTimeout> | undefined
  private pulse: ReturnType<typeof setInterval> | undefined

  constructor(
    private readonly listener: Listener,
    private readonly environment: Environment,
  ) {}

  start(): void {
    this.stop()
    this.listener.onState('connecting', null)
    this.connect()
    this.pulse = setInterval(() => { this.beat() }, PING_EVERY_MS)
  }

  stop(): void {
    clearTimeout(this.retry)
    clearInterval(this.pulse)
    const socket = this.socket
    this.socket = null
    socket?.close()
  }

  /** Connect at once instead of waiting for the next attempt. */
  hurry(): void {
    if (this.socket?.readyState === WebSocket.OPEN) return
    this.attempt = 0
    clearTimeout(this.retry)
    this.connect()
  }

  subscribe(topic: string): void {
    this.topics.add(topic)
    this.say({ op: 'subscribe', topics: [topic] })
  }

  unsubscribe(topic: string): void {
    this.topics.delete(topic)
    this.say({ op: 'unsubscribe', topics: [topic] })
  }

  private connect(): void {
    const old = this.socket
    const socket = this.environment.open()
    this.socket = socket
    old?.close()
    this.seq = 0
    this.waiting = []
    this.heardAt = this.environment.now()
    socket.onopen = () => {
      if (this.topics.size) this.say({ op: 'subscribe', topics: [...this.topics] })
    }
    socket.onmessage = (event: MessageEvent<string>) => {
      if (this.socket === socket) this.take(JSON.parse(event.data) as Message)
    }
    socket.onclose = (event) => {
      if (this.socket === socket) this.lose(event.code)
    }
  }

  private take(message: Message): void {
    this.heardAt = this.environment.now()
    if (this.seq > 0 && message.seq !== this.seq + 1) this.resync()
    if (this.seq === 0) this.listener.onState('live', null)
    this.seq = message.seq
    this.attempt = 0
    this.waiting.push(message)
    if (this.waiting.length === 1) this.environment.frame(() => { this.flush() })
  }

  private flush(): void {
    const messages = this.waiting
    this.waiting = []
    if (messages.length) this.listener.onMessages(messages)
  }

  private resync(): void {
    this.say({ op: 'subscribe', topics: ['tasks', ...this.topics] })
  }

  private lose(code: number): void {
    this.socket = null
    if (code === CLOSED_LOGIN) {
      this.listener.onState('logged_out', null)
      return
    }
    const wait = backoff(this.attempt, this.environment.random())
    this.attempt += 1
    this.listener.onState('lost', this.environment.now() + wait)
    this.retry = setTimeout(() => { this.connect() }, wait)
  }

  private beat(): void {
    if (this.environment.now() - this.heardAt > SILENCE_MS) this.socket?.close()
    else this.say({ op: 'ping' })
  }

  private say(words: unknown): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(words))
  }
}

/** Run before the next paint; a hidden page has no paints but must stay true. */
export function nextFrame(run: () => void): void {
  if (document.hidden) setTimeout(run, 250)
  else requestAnimationFrame(run)
}
