// Runs in the page before its own scripts: stands in for the daemon's WebSocket and measures what
// each message costs, from its arrival to the layout, and to the paint.
(() => {
  const given = __GIVEN__
  const bench = { painted: () => undefined }
  window.__bench = bench
  let arrived = null

  const frame = window.requestAnimationFrame.bind(window)
  window.requestAnimationFrame = (run) => frame((at) => {
    const began = performance.now()
    const first = arrived
    arrived = null
    run(at)
    if (first === null) return
    // Vue's flush is a microtask that was queued by `run`; this one comes after it.
    Promise.resolve().then(() => Promise.resolve()).then(() => {
      void document.body.offsetHeight
      const update = performance.now() - began
      const channel = new MessageChannel()
      channel.port1.onmessage = () => { bench.painted([update, performance.now() - first]) }
      channel.port2.postMessage(null)
    })
  })

  class Pretended extends EventTarget {
    static CONNECTING = 0
    static OPEN = 1
    static CLOSED = 3
    readyState = 0
    onopen = null
    onmessage = null
    onclose = null
    seq = 0

    constructor() {
      super()
      setTimeout(() => {
        this.readyState = 1
        this.onopen?.(new Event('open'))
        this.tell('tasks', 'snapshot', given.tasks)
      }, 0)
    }

    text(topic, type, data) {
      this.seq += 1
      return JSON.stringify({ v: 1, seq: this.seq, topic, type, ts: new Date().toISOString(), data })
    }

    arrive(text) {
      arrived ??= performance.now()
      this.onmessage?.(new MessageEvent('message', { data: text }))
    }

    tell(topic, type, data) {
      this.arrive(this.text(topic, type, data))
    }

    send(text) {
      const { op, topics } = JSON.parse(text)
      const wanted = (topics ?? []).find((topic) => topic === given.topic)
      if (op === 'subscribe' && wanted) setTimeout(() => { this.tell(wanted, 'snapshot', given.snapshot) }, 0)
    }

    close() { this.readyState = 3 }

    /** Write the messages of a round in which every table changes, as the daemon does four times a second. */
    changes() {
      this.round = (this.round ?? 0) + 1
      const round = this.round
      const tables = given.snapshot.tables.map((table, at) => ({
        ...table, rows_done: table.rows_done + round * (1000 + at), rows_s: 1000 + ((round * 37 + at) % 900),
        read_share: 0.5 + ((round + at) % 50) / 100, transform_share: 0.02, write_share: 0.4, queued_batches: at % 4,
        mb_s: 1 + ((round + at) % 9), written_bytes: round * 1e6, eta_s: 900 - round, lag_s: (round + at) % 50,
      }))
      const progress = { ...given.snapshot.progress, rows_done: round * 1e6, rows_s: 9e4 + round, percent: round % 100 }
      return [this.text('tasks', 'delta', { progress: [progress] }), this.text(given.topic, 'delta', { tables, progress })]
    }
  }

  window.WebSocket = class extends Pretended {
    constructor() {
      super()
      bench.socket = this
    }
  }
  bench.prepare = () => { bench.texts = bench.socket.changes() }
  /** Deliver what was prepared; return when it is painted: [ms of the update, ms from message to paint]. */
  bench.step = () => new Promise((resolve) => {
    bench.painted = resolve
    setTimeout(() => { for (const text of bench.texts) bench.socket.arrive(text) }, 0)
  })
})()
