import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './theme.css'

import { createPinia } from 'pinia'
import { createApp } from 'vue'

import { useToasts } from '@/shared/stores/toasts'

import App from './App.vue'
import { router } from './router'

const RELOADED = 'dtaas.reloaded'
let partGone = false

// After an upgrade an open page asks for parts that are gone: load the new page, once.
window.addEventListener('vite:preloadError', (event) => {
  const last = Number(sessionStorage.getItem(RELOADED) ?? 0)
  if (Date.now() - last < 10_000) return
  event.preventDefault()
  partGone = true
  sessionStorage.setItem(RELOADED, String(Date.now()))
  location.reload()
})
const pinia = createPinia()
router.onError((error: unknown, to) => {
  if (partGone) return
  useToasts(pinia).failed(new Error(`The page ${to.path} could not be loaded: ${error instanceof Error ? error.message : String(error)}`))
})

createApp(App).use(pinia).use(router).mount('#app')
