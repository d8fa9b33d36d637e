import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './theme.css'

import { createPinia } from 'pinia'
import { createApp } from 'vue'

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
router.onError((error: unknown) => {
  if (!partGone) throw error
})

createApp(App).use(createPinia()).use(router).mount('#app')
