/** One line over all charts that share their time: where the pointer is in one of them, all show. */
import { reactive } from 'vue'

export const crosshair = reactive<{ group: string; index: number | null }>({ group: '', index: null })

export function pointAt(group: string, index: number | null): void {
  crosshair.group = group
  crosshair.index = index
}

export function pointedAt(group: string | undefined): number | null {
  return group !== undefined && crosshair.group === group ? crosshair.index : null
}
