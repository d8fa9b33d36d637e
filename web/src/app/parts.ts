/** Parts of the page that cannot be loaded: an upgrade took them away, or the daemon does not answer. */
import type { Router } from 'vue-router'

const RELOADED = 'dtaas.reloaded'
const ONCE_IN_MS = 10_000
/** A part has several files: what they fail with is told once. */
const TOGETHER_MS = 3000

/** Whether the server has a page to give: without one, loading anew would lose what is open. */
async function answers(): Promise<boolean> {
  return fetch('/', { cache: 'no-store' }).then((got) => got.ok, () => false)
}

/** Loads the newer page once; while the daemon is away what is open stays, and `tell` says why. */
export function watchParts(router: Router, tell: (error: Error) => void): void {
  let seenAt = 0
  const seen = () => Date.now() - seenAt < TOGETHER_MS
  /** A part that failed once lacks its styles when it is asked for again. */
  let missed = false

  window.addEventListener('vite:preloadError', (event) => {
    const last = Number(sessionStorage.getItem(RELOADED) ?? 0)
    if (Date.now() - last < ONCE_IN_MS) return
    event.preventDefault()
    if (seen()) return
    seenAt = Date.now()
    void renew()
  })
  async function renew(): Promise<void> {
    if (await answers()) {
      sessionStorage.setItem(RELOADED, String(Date.now()))
      location.reload()
      return
    }
    missed = true
    tell(new Error('This page could not be opened: the daemon does not answer. What is open stays; try again when it is back.'))
  }
  router.beforeEach(async (to, from) => {
    if (!missed || to.path === from.path || !(await answers())) return true
    location.assign(to.fullPath)
    return false
  })
  router.onError((error: unknown, to) => {
    if (!seen()) tell(new Error(`The page ${to.path} could not be loaded: ${error instanceof Error ? error.message : String(error)}`))
  })
}
