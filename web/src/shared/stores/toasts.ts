/** Short messages, spoken to screen readers too; errors stay until they are closed. */
import { defineStore } from 'pinia'
import { shallowRef } from 'vue'

import { asApiError } from '@/shared/api/problem'

export interface Toast {
  id: number
  tone: 'good' | 'bad'
  text: string
  hint: string
  action?: { label: string; run: () => void }
}

const SHOWN_MS = 8000

export const useToasts = defineStore('toasts', () => {
  const items = shallowRef<readonly Toast[]>([])
  let last = 0

  function add(toast: Omit<Toast, 'id'>): void {
    last += 1
    const id = last
    items.value = [...items.value.slice(-3), { ...toast, id }]
    if (toast.tone === 'good') setTimeout(() => { close(id) }, SHOWN_MS)
  }

  function close(id: number): void {
    items.value = items.value.filter((toast) => toast.id !== id)
  }

  function done(text: string, action?: Toast['action']): void {
    add({ tone: 'good', text, hint: '', ...(action ? { action } : {}) })
  }

  function failed(thrown: unknown): void {
    const error = asApiError(thrown)
    add({ tone: 'bad', text: error.message, hint: error.hint })
  }

  return { items, done, failed, close }
})
