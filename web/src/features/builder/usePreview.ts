/** Rows of a source through the draft, asked for again when either changes. */
import { computed, onScopeDispose, ref, watch, type Ref } from 'vue'

import { api } from '@/shared/api/client'
import type { Preview, TableRef } from '@/shared/api/types'
import { useLoad } from '@/shared/lib/useLoad'

import { keyOf, type Draft, type Transformation } from './draft'
import { keysOf, previewSpec, rowsOf, tableOf, type Pick } from './preview'

const QUIET_MS = 400
const ROWS = 50

export interface Wanted {
  table: string
  pick: Pick
  rows: number
  seed: number
  keys: string
  json: string
  /** How many steps the rows go through; null is all of them. */
  until: number | null
}
export const FIRST_ROWS: Readonly<Wanted> = { table: '', pick: 'head', rows: ROWS, seed: 0, keys: '', json: '', until: null }

/** `steps` says which steps the rows go through; the source is read once, whatever becomes of the steps. */
export function usePreview(draft: Readonly<Ref<Draft>>, wanted: Readonly<Ref<Wanted>>, steps: (all: readonly Transformation[]) => readonly Transformation[] = (all) => all) {
  const refresh = ref(false)
  const mistake = ref('')
  const table = computed(() => tableOf(draft.value, wanted.value.table))
  const request = computed(() => bodyOf(draft.value, table.value, wanted.value, steps))
  const asked = computed(() => JSON.stringify(request.value))
  const preview = useLoad<Preview | null>(async (signal) => {
    const body = request.value
    if (!body || mistake.value) return null
    const given = refresh.value ? { ...body, refresh: true } : body
    refresh.value = false
    return api.post('/api/preview', given as never, { signal })
  })
  let timer: ReturnType<typeof setTimeout> | undefined
  watch([asked, () => wanted.value.json], () => {
    clearTimeout(timer)
    mistake.value = wrongJson(wanted.value)
    timer = setTimeout(() => { void preview.reload() }, QUIET_MS)
  }, { immediate: true })
  onScopeDispose(() => { clearTimeout(timer) })

  function readAgain(): void {
    refresh.value = true
    void preview.reload()
  }
  return { ...preview, table, mistake, readAgain }
}

function bodyOf(draft: Draft, table: TableRef | null, wanted: Wanted, steps: (all: readonly Transformation[]) => readonly Transformation[]): Record<string, unknown> | null {
  const through = steps(wanted.until === null ? draft.transformations : draft.transformations.slice(0, wanted.until))
  const task = previewSpec(draft, through)
  if (!task || !table) return null
  // What the answer does not depend on would only make it be asked again.
  const lean = { ...task, name: 'preview', description: '', source_tables: [table], table_mappings: (task.table_mappings ?? []).filter((one) => keyOf(one.source) === keyOf(table)).map((one) => ({ ...one, target: null })) }
  const rows = wanted.pick === 'keys' ? { keys: keysOf(wanted.keys) } : wanted.pick === 'random' ? { seed: wanted.seed } : wanted.pick === 'json' ? { data: safely(wanted.json) } : {}
  return { task: lean, table, pick: wanted.pick, rows: wanted.rows, ...rows }
}

function wrongJson(wanted: Wanted): string {
  if (wanted.pick !== 'json') return ''
  try {
    rowsOf(wanted.json)
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function safely(text: string): Record<string, unknown>[] {
  try {
    return rowsOf(text)
  } catch {
    return [] // said beside the field; nothing is asked for meanwhile
  }
}
