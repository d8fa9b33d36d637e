/** The present moment, once a second, for everybody who shows an age. */
import { onScopeDispose, ref, type Ref } from 'vue'

const now = ref(Date.now())
let users = 0
let timer: ReturnType<typeof setInterval> | undefined

export function useNow(): Readonly<Ref<number>> {
  if (users === 0) now.value = Date.now() // nobody kept it going
  users += 1
  timer ??= setInterval(() => { now.value = Date.now() }, 1000)
  onScopeDispose(() => {
    users -= 1
    if (users === 0) {
      clearInterval(timer)
      timer = undefined
    }
  })
  return now
}
