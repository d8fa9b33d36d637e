import { describe, expect, it } from 'vitest'

import { configOf, fieldOfPath, fieldsOf, labelOf, missing } from './schemaForm'

const SCHEMA = {
  $ref: '#/$defs/SqlServerConfig',
  $defs: {
    SqlServerConfig: {
      type: 'object',
      required: ['host'],
      properties: {
        host: { type: 'string', minLength: 1, description: 'Host name or address' },
        port: { type: 'integer', minimum: 1, maximum: 65535, default: 1433 },
        password: { type: 'string', format: 'password', default: '' },
        encrypt: { $ref: '#/$defs/Encryption', default: 'yes' },
        trust: { type: 'boolean', default: false },
        value: { anyOf: [{ type: 'string' }, { type: 'integer' }, { type: 'null' }], default: null },
        sql: { anyOf: [{ type: 'string', maxLength: 10000 }, { type: 'null' }], default: null },
        columns: { type: 'array', items: { type: 'string' } },
        arguments: { type: 'object', default: {} },
        limit: { anyOf: [{ type: 'number', minimum: 0 }, { type: 'null' }], default: null },
      },
    },
    Encryption: { enum: ['no', 'strict', 'yes'] },
  },
}
const fields = fieldsOf(SCHEMA)

describe('fieldsOf', () => {
  it('finds the kind of every field, through references', () => {
    expect(fields.map((field) => [field.name, field.kind])).toEqual([
      ['host', 'text'], ['port', 'number'], ['password', 'secret'], ['encrypt', 'choice'], ['trust', 'flag'],
      ['value', 'scalar'], ['sql', 'long'], ['columns', 'list'], ['arguments', 'mapping'], ['limit', 'number'],
    ])
    expect(fields[3]?.choices).toEqual(['no', 'strict', 'yes'])
    expect(fields[3]?.standard).toBe('yes')
    expect(fields[0]?.required).toBe(true)
  })
})

describe('what is sent', () => {
  it('has numbers for numbers and no empty secret', () => {
    expect(configOf(fields, { host: 'h', port: '1434', password: '', trust: true, other: 1 })).toEqual({ host: 'h', port: 1434, trust: true })
  })
})

describe('missing', () => {
  it('names what is required or out of range', () => {
    expect(Object.keys(missing(fields, {}))).toEqual(['host'])
    expect(missing(fields, { host: 'h', port: '0' })['port']).toContain('from 1 to 65535')
    expect(missing(fields, { host: 'h', port: '1.5' })['port']).toContain('whole')
    expect(missing(fields, { host: 'h', limit: '-1' })['limit']).toContain('at least 0')
    expect(missing(fields, { host: 'h', port: '1433' })).toEqual({})
  })
})

it('reads the field out of a path of the server', () => {
  expect(fieldOfPath('$.connection_config.port')).toBe('port')
  expect(fieldOfPath('$.name')).toBe('name')
  expect(fieldOfPath(null)).toBeNull()
})

it('makes labels of names', () => {
  expect(labelOf('login_timeout_s')).toBe('Login timeout (seconds)')
  expect(labelOf('read_rate_limit_mb_s')).toBe('Read rate limit (MB/s)')
  expect(labelOf('endpoint_url')).toBe('Endpoint URL')
})
