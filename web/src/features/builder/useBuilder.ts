/** The builder's state: the draft with its history, what is stored, and how it is saved. */
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'

import { api, call, callIfThere } from '@/shared/api/client'
import { asApiError, type ApiError } from '@/shared/api/problem'
import type { ConnectorView, TaskView } from '@/shared/api/types'
import { useLive } from '@/shared/live/live.store'

import { draftOf, emptyDraft, moveTransformation, problemsOf, specOf, type Draft, type Problem } from './draft'
import { blocksOf } from './graph'
import { useHistory } from './history'
import { allProblems, placed } from './problems'
import { useValidation } from './useValidation'
import { toYaml, type NamedTask } from './yaml'

const AUTOSAVE_MS = 3000

/** A task that somebody else stored since it was read, as texts: as it was, as they made it, as the draft has it. */
export interface Conflict {
  base: string
  theirs: string
  mine: string
}

export function useBuilder(taskId: number | null, offersValidation: () => boolean) {
  const live = useLive()
  const history = useHistory<Draft>(emptyDraft())
  const stored = shallowRef<TaskView | null>(null)
  const revision = ref('')
  const connectors = shallowRef<readonly ConnectorView[]>([])
  const refused = shallowRef<ApiError | null>(null)
  const conflict = shallowRef<Conflict | null>(null)
  const failure = shallowRef<ApiError | null>(null)
  const ready = ref(false)
  const keptAt = ref<number | null>(null)
  /** Whether there is something that neither the draft nor the task on the server has. */
  const unkept = ref(false)
  const saving = ref(false)
  const key = taskId === null ? 'new' : `task-${String(taskId)}`
  let timer: ReturnType<typeof setTimeout> | undefined

  const draft = computed({ get: () => history.present.value, set: (next: Draft) => { change(next) } })
  const original = computed(() => (stored.value ? draftOf(stored.value) : emptyDraft()))
  // A text, so that what depends on it is not made anew with each message about progress.
  const taskNames = computed(() => JSON.stringify(live.tasks.map(({ task }) => ({ id: task.id, name: task.name }))))
  const tasks = computed(() => JSON.parse(taskNames.value) as NamedTask[])
  const written = (one: Draft) => toYaml(one, connectors.value, tasks.value)
  const before = computed(() => (stored.value ? written(original.value) : ''))
  const after = computed(() => written(draft.value))
  const dirty = computed(() => after.value !== written(original.value))
  /** What keeps the draft from being stored; the server may find more that keeps a run from working. */
  const blocking = computed<Problem[]>(() => problemsOf(draft.value, connectors.value))
  const validation = useValidation(draft, taskId, () => ready.value && offersValidation())
  const problems = computed<Problem[]>(() => {
    const told = refused.value ? [placed({ detail: refused.value.message, hint: refused.value.hint, field: refused.value.field }, draft.value)] : []
    return allProblems([...blocking.value, ...told], validation.problems.value.map((one) => placed(one, draft.value)))
  })
  const name = (id: number | null) => connectors.value.find((one) => one.id === id)?.name ?? (id === null ? 'not chosen' : `#${String(id)}`)
  const blocks = computed(() => {
    const counted: Record<string, number> = {}
    for (const one of problems.value) counted[one.block] = (counted[one.block] ?? 0) + 1
    return blocksOf(draft.value, name, counted)
  })

  function change(next: Draft, merge = ''): void {
    refused.value = null
    history.change(next, merge)
  }

  /** Read what is stored and kept. A prefill, or the task to copy, replaces a kept draft; Undo brings that back. */
  async function load(prefilled: Partial<Draft> | number): Promise<void> {
    try {
      connectors.value = (await api.get('/api/connectors', { query: { limit: 1000 } })).items
      if (taskId !== null) await readStored()
      const kept = await callIfThere<{ body: Draft }>(`/api/drafts/${key}`).catch(() => null)
      const prefill = typeof prefilled === 'number' ? await cloned(prefilled) : prefilled
      const filled = Object.keys(prefill).length > 0
      history.reset(kept ? { ...emptyDraft(), ...kept.body } : original.value)
      ready.value = true
      if (filled) history.change({ ...original.value, ...prefill })
    } catch (thrown) {
      failure.value = asApiError(thrown)
    }
  }

  /** What a copy of a stored task begins with. */
  async function cloned(id: number): Promise<Partial<Draft>> {
    const { name: called, ...rest } = draftOf(await api.get('/api/tasks/{task_id}', { path: { task_id: id } }))
    return { ...rest, name: `${called} copy` }
  }

  async function readStored(): Promise<void> {
    if (taskId === null) return
    stored.value = await api.get('/api/tasks/{task_id}', { path: { task_id: taskId } })
    revision.value = (stored.value as TaskView & { revision?: string }).revision ?? ''
  }

  watch(draft, () => {
    if (!ready.value) return
    unkept.value = dirty.value
    clearTimeout(timer)
    timer = setTimeout(() => { void keep() }, AUTOSAVE_MS)
  })
  onScopeDispose(() => { clearTimeout(timer) })

  /** One after the other: a draft that is on its way must not arrive after it was deleted. */
  let last: Promise<void> = Promise.resolve()
  function inTurn(work: () => Promise<void>): Promise<void> {
    last = last.then(work)
    return last
  }

  function keep(): Promise<void> {
    clearTimeout(timer)
    return inTurn(async () => {
      const body = draft.value
      if (!dirty.value) return
      try {
        await call('put', `/api/drafts/${key}`, { body })
        keptAt.value = Date.now()
        if (draft.value === body) unkept.value = false
      } catch {
        keptAt.value = null // shown as "not kept": the page's guard still asks before it is left
      }
    })
  }

  function forget(): Promise<void> {
    clearTimeout(timer)
    keptAt.value = null
    unkept.value = false
    return inTurn(async () => { await call('delete', `/api/drafts/${key}`).catch(() => undefined) })
  }

  async function discard(): Promise<void> {
    history.change(original.value)
    refused.value = null
    await forget()
  }

  /** Store the draft as a task; null when the server refused, `refused` says why. */
  async function save(): Promise<TaskView | null> {
    const spec = specOf(draft.value)
    if (!spec) return null
    saving.value = true
    try {
      const given = revision.value ? { headers: { 'If-Match': `"${revision.value}"` } } : {}
      const saved = taskId === null ? await api.post('/api/tasks', spec) : await api.put('/api/tasks/{task_id}', spec, { path: { task_id: taskId }, ...given })
      stored.value = saved
      history.reset(draftOf(saved))
      refused.value = null
      await forget()
      return saved
    } catch (thrown) {
      refused.value = asApiError(thrown)
      if (refused.value.status === 412) await showConflict().catch(() => undefined)
      return null
    } finally {
      saving.value = false
    }
  }

  /** What is stored now is read, so that saving once more is a choice made knowing it. */
  async function showConflict(): Promise<void> {
    const [base, mine] = [before.value, after.value]
    await readStored()
    conflict.value = { base, theirs: before.value, mine }
    refused.value = null
  }

  /** The draft becomes what is stored; Undo brings it back. */
  async function takeTheirs(): Promise<void> {
    conflict.value = null
    await discard()
  }

  function move(block: string, step: number): void {
    const at = Number(block.replace('transform-', ''))
    change(moveTransformation(draft.value, at, at + step))
  }
  return { history, draft, stored, connectors, blocking, problems, validation, blocks, dirty, before, after, conflict, failure, refused, ready, keptAt, unkept, saving, change, load, keep, save, discard, takeTheirs, move }
}
