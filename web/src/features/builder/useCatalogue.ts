/** The transformations and functions this server knows; none on a server without them. */
import { callIfThere } from '@/shared/api/client'
import type { TransformationFunction } from '@/shared/api/types'
import { useLoad } from '@/shared/lib/useLoad'

export interface TransformationType {
  type: string
  title: string
  group: string
  description: string
  schema: Record<string, unknown>
}
export interface Catalogue {
  types: readonly TransformationType[]
  functions: readonly TransformationFunction[]
  /** How types of columns are written. */
  dataTypes: readonly string[]
}
export const NO_CATALOGUE: Catalogue = { types: [], functions: [], dataTypes: [] }

export function useCatalogue() {
  return useLoad(async (signal): Promise<Catalogue> => {
    const found = await callIfThere<{ items?: Record<string, unknown>[]; functions?: TransformationFunction[]; data_types?: string }>('/api/transformations/types', { signal })
    return {
      types: (found?.items ?? []).flatMap((item) => typeOf(item) ?? []),
      functions: found?.functions ?? [],
      dataTypes: (found?.data_types ?? '').split(/, (?![^(]*\))/).filter(Boolean),
    }
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
