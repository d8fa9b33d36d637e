/** What can be done with a task beside the buttons of its state. Pure. */
import type { TaskAction } from '@/shared/api/types'
import type { MenuItem } from '@/shared/ui/RowMenu.vue'

export interface MenuFor {
  id: number
  allowed: readonly TaskAction[]
  /** Whether the person may change anything. */
  operator: boolean
  offers: (feature: string) => boolean
  /** In a list there is no other way to these. */
  inList: boolean
}

export function menuOf({ id, allowed, operator, offers, inList }: MenuFor): MenuItem[] {
  const start: MenuItem[] = allowed.includes('start') && operator
    ? [
        { act: 'start', text: 'Start', note: 'goes on where it stopped' },
        { act: 'tables', text: 'Start some tables…' },
        { act: 'again', text: 'Copy all again…', note: 'forgets what is unfinished' },
      ]
    : []
  const look: MenuItem[] = offers('plan') ? [{ act: 'plan', text: 'Dry run…', note: 'what a run would do; moves nothing' }] : []
  if (!inList) return [...start, ...look]
  const open: MenuItem[] = [{ act: 'open', text: 'Open', to: `/tasks/${String(id)}` }]
  const change: MenuItem[] = operator
    ? [
        { act: 'edit', text: 'Edit in builder', to: `/builder/${String(id)}` },
        { act: 'clone', text: 'Clone', to: `/builder?clone=${String(id)}` },
      ]
    : []
  const file: MenuItem[] = offers('taskfiles') ? [{ act: 'export', text: 'Export' }] : []
  const gone: MenuItem[] = operator ? [{ act: 'delete', text: 'Delete…', danger: true }] : []
  return [...start, ...look, ...open, ...change, ...file, ...gone]
}
