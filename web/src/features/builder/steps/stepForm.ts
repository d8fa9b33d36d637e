/** Which fields of a transformation are shown, and by what. Pure; the fields themselves come from the server. */
import type { TransformationFunction } from '@/shared/api/types'
import { fieldsOf, type FormField } from '@/shared/lib/schemaForm'

import type { Transformation } from '../draft'

export type Editor = 'column' | 'columns' | 'names' | 'numbers' | 'sql' | 'function' | 'arguments' | 'type' | 'scalar' | 'plain'

/** The fields of a kind of step that mean something as the step is now. */
export function shownFields(schema: Record<string, unknown>, step: Transformation): FormField[] {
  return fieldsOf(schema).filter((field) => field.name !== 'type' && !idle(field.name, step))
}

function idle(name: string, step: Transformation): boolean {
  const by = step['by'] ?? 'delimiter'
  switch (name) {
    case 'delimiter': case 'keep_rest': return step['type'] === 'split_column' && by !== 'delimiter'
    case 'pattern': return step['type'] === 'split_column' && by !== 'regex'
    case 'positions': return by !== 'position'
    case 'find': return step['match'] === 'null'
    case 'value': return step['type'] === 'add_column' && Boolean(step['expression'])
    case 'arguments': return !step['function']
    default: return false
  }
}

export function editorOf(field: FormField): Editor {
  if (field.name === 'column') return 'column'
  if (field.name === 'columns') return 'columns'
  if (field.name === 'positions') return 'numbers'
  if (field.kind === 'list') return 'names'
  if (field.name === 'function') return 'function'
  if (field.kind === 'mapping') return 'arguments'
  if (field.name === 'data_type') return 'type'
  if (field.kind === 'long') return 'sql'
  return field.kind === 'scalar' ? 'scalar' : 'plain'
}

/** The step with a field set; one that says nothing is left out, so that the server's default holds. */
export function withField(step: Transformation, field: FormField, value: unknown): Transformation {
  const rest = Object.fromEntries(Object.entries(step).filter(([name]) => name !== field.name))
  const empty = value === undefined || value === '' || (value === null && field.standard === null) || (Array.isArray(value) && !value.length) || value === field.standard
  if (field.name === 'function') delete rest['arguments'] // another function has other arguments
  return empty && !field.required ? rest : { ...rest, [field.name]: value }
}

/** The fields of a function's arguments. */
export function argumentFields(functions: readonly TransformationFunction[], name: unknown): FormField[] {
  const found = functions.find((one) => one.name === name)
  return found ? fieldsOf(found.arguments as Record<string, unknown>) : []
}

/** Arguments as the server takes them: numbers as numbers, those not given left out. */
export function argumentsOf(fields: readonly FormField[], values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(fields.flatMap((field) => {
    const value = values[field.name]
    if (value === undefined || value === '' || (value === null && field.kind !== 'scalar')) return []
    return [[field.name, field.kind === 'number' ? Number(value) : value]]
  }))
}
