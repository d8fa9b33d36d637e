/** Who uses the page, what they may do, and what this server offers. */
import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'

import { api, call, callIfThere } from '@/shared/api/client'
import { ApiError } from '@/shared/api/problem'
import type { Me, Version } from '@/shared/api/types'

const NOBODY: Me = { user: { id: null, username: '', role: 'admin' }, auth: 'off', features: [] }
const RANK = { viewer: 0, operator: 1, admin: 2 } as const
export type Role = keyof typeof RANK

export const useSession = defineStore('session', () => {
  const me = shallowRef<Me | null>(null)
  const version = shallowRef<Version | null>(null)
  const loginNeeded = shallowRef(false)

  const may = (role: Role) => RANK[me.value?.user.role ?? 'viewer'] >= RANK[role]
  const offers = (feature: string) => me.value?.features.includes(feature) ?? false
  const hasUsers = computed(() => me.value !== null && me.value.auth !== 'off')

  /** Ask the server; one without accounts lets everybody do everything. */
  async function load(): Promise<void> {
    try {
      me.value = (await callIfThere<Me>('/api/me')) ?? NOBODY
      loginNeeded.value = false
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) loginNeeded.value = true
      else me.value ??= NOBODY
    }
  }

  /** Return whether another version of the daemon answers than the one this page came with. */
  async function look(): Promise<boolean> {
    const found = await api.get('/api/version')
    const changed = version.value !== null && version.value.version !== found.version
    version.value = found
    return changed
  }

  async function login(username: string, password: string): Promise<void> {
    await call('post', '/api/auth/login', { username, password })
    await load()
  }

  async function setup(token: string, username: string, password: string): Promise<void> {
    await call('post', '/api/auth/setup', { token, username, password })
    await load()
  }

  async function logout(): Promise<void> {
    await call('post', '/api/auth/logout')
    forget()
  }

  function forget(): void {
    me.value = null
    loginNeeded.value = true
  }

  return { me, version, loginNeeded, hasUsers, may, offers, load, look, login, setup, logout, forget }
})
