// Runs in the page before its own scripts: stands in for the daemon's WebSocket and measures what
// each message costs, from its arrival to the layout, and to the paint.
(() => {
  const given = __GIVEN__
  const bench = { updates: [], pixels: [], done: false }
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
      bench.updates.push(performance.now() - began)
      const channel = new MessageChannel()
      channel.port1.onmessage = () => { bench.pixels.push(performance.now() - first) }
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

    tell(topic, type, data) {
      this.seq += 1
      const text = JSON.stringify({ v: 1, seq: this.seq, topic, type, ts: new Date().toISOString(), data })
      arrived ??= performance.now()
      this.onmessage?.(new MessageEvent('message', { data: text }))
    }

    send(text) {
      const { op, topics } = JSON.parse(text)
      const wanted = (topics ?? []).find((topic) => topic === given.topic)
      if (op === 'subscribe' && wanted) setTimeout(() => { this.tell(wanted, 'snapshot', given.snapshot) }, 0)
    }

    close() { this.readyState = 3 }

    /** Change every table, `rounds` times, four times a second as the daemon does. */
    play(rounds) {
      let round = 0
      const timer = setInterval(() => {
        round += 1
        const tables = given.snapshot.tables.map((table, at) => ({
          ...table, rows_done: table.rows_done + round * (1000 + at), rows_s: 1000 + ((round * 37 + at) % 900),
          mb_s: 1 + ((round + at) % 9), written_bytes: round * 1e6, eta_s: 900 - round, lag_s: (round + at) % 50,
        }))
        const progress = { ...given.snapshot.progress, rows_done: round * 1e6, rows_s: 9e4 + round, percent: round % 100 }
        this.tell('tasks', 'delta', { progress: [progress] })
        this.tell(given.topic, 'delta', { tables, progress })
        if (round < rounds) return
        clearInterval(timer)
        setTimeout(() => { bench.done = true }, 500)
      }, 250)
    }
  }

  window.WebSocket = class extends Pretended {
    constructor() {
      super()
      bench.socket = this
    }
  }
  bench.start = (rounds) => {
    bench.updates = []
    bench.pixels = []
    bench.done = false
    bench.socket.play(rounds)
  }
})()
