/** The transformations this server knows; none on a server without them. */
import { callIfThere } from '@/shared/api/client'
import { useLoad } from '@/shared/lib/useLoad'

export interface TransformationType {
  type: string
  title: string
  group: string
  description: string
  schema: Record<string, unknown>
}

export function useCatalogue() {
  return useLoad(async (signal) => {
    const found = await callIfThere<{ items?: Record<string, unknown>[] }>('/api/transformations/types', { signal })
    return (found?.items ?? []).flatMap((item) => typeOf(item) ?? [])
  })
}

/** Read one entry, whatever of it is there. */
export function typeOf(item: Record<string, unknown>): TransformationType | null {
  const type = item['type'] ?? item['kind']
  if (typeof type !== 'string') return null
  const text = (name: string) => (typeof item[name] === 'string' ? item[name] : '')
  const schema = item['config_schema'] ?? item['schema']
  return {
    type, title: text('title') || type.replaceAll('_', ' '), group: text('group') || 'transformations', description: text('description'),
    schema: typeof schema === 'object' && schema !== null ? (schema as Record<string, unknown>) : {},
  }
}
