import { describe, expect, it } from 'vitest'

import type { TransformationFunction } from '@/shared/api/types'

import { argumentFields, argumentsOf, editorOf, shownFields, withField } from './stepForm'

const SPLIT = {
  type: 'object', required: ['type', 'column', 'into'],
  properties: {
    type: { enum: ['split_column'] }, column: { type: 'string' }, into: { type: 'array' }, by: { enum: ['delimiter', 'position', 'regex'], default: 'delimiter' },
    delimiter: { type: 'string', default: ',' }, pattern: { type: 'string', default: '' }, positions: { type: 'array', default: [] }, keep_rest: { type: 'boolean', default: true },
  },
}
const names = (step: Record<string, unknown>) => shownFields(SPLIT, { type: 'split_column', ...step }).map((field) => field.name)

describe('fields of a step', () => {
  it('are those that mean something now', () => {
    expect(names({})).toEqual(['column', 'into', 'by', 'delimiter', 'keep_rest'])
    expect(names({ by: 'regex' })).toEqual(['column', 'into', 'by', 'pattern'])
    expect(names({ by: 'position' })).toEqual(['column', 'into', 'by', 'positions'])
  })
  it('each have their editor', () => {
    expect(shownFields(SPLIT, { type: 'split_column', by: 'position' }).map(editorOf)).toEqual(['column', 'names', 'plain', 'numbers'])
  })
  it('that say what holds anyway are left out', () => {
    const [column, , by, , keep] = shownFields(SPLIT, { type: 'split_column' })
    if (!column || !by || !keep) throw new Error()
    expect(withField({ type: 'split_column', by: 'regex' }, by, 'delimiter')).toEqual({ type: 'split_column' })
    expect(withField({ type: 'split_column' }, keep, false)).toEqual({ type: 'split_column', keep_rest: false })
    expect(withField({ type: 'split_column', column: 'a' }, column, '')).toEqual({ type: 'split_column', column: '' })
  })
})

describe('arguments of a function', () => {
  const left = { name: 'left', arguments: { type: 'object', required: ['count'], properties: { count: { type: 'integer' }, fill: { type: 'string', default: ' ' } } } } as unknown as TransformationFunction
  it('are a form of their own', () => {
    const fields = argumentFields([left], 'left')
    expect(fields.map((field) => [field.name, field.kind, field.required])).toEqual([['count', 'number', true], ['fill', 'text', false]])
    expect(argumentsOf(fields, { count: '3', fill: '', old: 1 })).toEqual({ count: 3 })
    expect(argumentFields([left], 'right')).toEqual([])
  })
  it('go with their function', () => {
    const field = { name: 'function', required: true, standard: null } as Parameters<typeof withField>[1]
    expect(withField({ type: 'apply_function', function: 'left', arguments: { count: 3 } }, field, 'upper')).toEqual({ type: 'apply_function', function: 'upper' })
  })
})
