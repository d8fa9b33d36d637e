import 'element-plus/theme-chalk/base.css'
import 'element-plus/theme-chalk/dark/css-vars.css'
import './theme.css'

import { createPinia } from 'pinia'
import { createApp } from 'vue'

import { useToasts } from '@/shared/stores/toasts'

import App from './App.vue'
import { watchParts } from './parts'
import { router } from './router'

const pinia = createPinia()
watchParts(router, (error) => { useToasts(pinia).failed(error) })
createApp(App).use(pinia).use(router).mount('#app')
