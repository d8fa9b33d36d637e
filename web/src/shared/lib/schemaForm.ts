/** JSON Schema of a connector type, a channel, a transformation → fields of a form. Pure. */

export interface FormField {
  name: string
  label: string
  kind: 'text' | 'long' | 'number' | 'flag' | 'choice' | 'secret' | 'list' | 'mapping' | 'scalar'
  required: boolean
  standard: unknown
  help: string
  choices: readonly string[]
  least: number | null
  most: number | null
  whole: boolean
}

type Schema = Record<string, unknown>
const LONG = 5000

/** Fields in the order of the schema; those without a default come first, they must be given. */
export function fieldsOf(schema: Schema): FormField[] {
  const root = resolve(schema, schema)
  const required = new Set((root['required'] as string[] | undefined) ?? [])
  const properties = (root['properties'] ?? {}) as Record<string, Schema>
  return Object.entries(properties).map(([name, raw]) => fieldOf(name, raw, schema, required.has(name)))
}

function fieldOf(name: string, raw: Schema, schema: Schema, required: boolean): FormField {
  const own = resolve(raw, schema)
  const choices = ((own['enum'] as unknown[] | undefined) ?? []).map(String)
  const number = (key: string) => (typeof own[key] === 'number' ? own[key] : null)
  return {
    name,
    label: labelOf(name),
    kind: isScalar(raw) ? 'scalar' : kindOf(own, choices),
    required,
    standard: raw['default'] ?? own['default'] ?? null,
    help: text(raw['description']) || text(own['description']),
    choices,
    least: number('minimum'),
    most: number('maximum'),
    whole: own['type'] === 'integer',
  }
}

function kindOf(schema: Schema, choices: readonly string[]): FormField['kind'] {
  if (schema['format'] === 'password') return 'secret'
  if (choices.length) return 'choice'
  if (schema['type'] === 'boolean') return 'flag'
  if (schema['type'] === 'integer' || schema['type'] === 'number') return 'number'
  if (schema['type'] === 'array') return 'list'
  if (schema['type'] === 'object') return 'mapping'
  return Number(schema['maxLength'] ?? 0) >= LONG ? 'long' : 'text'
}

/** A constant of any type: no single input tells 5 from "5". */
function isScalar(schema: Schema): boolean {
  const options = (schema['anyOf'] as Schema[] | undefined) ?? []
  return options.filter((one) => one['type'] !== 'null').length > 1
}

/** Follow `$ref` and the `allOf`, `anyOf` around it. */
function resolve(part: Schema, root: Schema): Schema {
  const ref = part['$ref']
  if (typeof ref === 'string') {
    const found = ref.replace('#/', '').split('/').reduce<unknown>((at, key) => (at as Schema | undefined)?.[key], root)
    return resolve({ ...(found as Schema), ...rest(part, '$ref') }, root)
  }
  for (const key of ['allOf', 'anyOf', 'oneOf']) {
    const options = part[key] as Schema[] | undefined
    const option = options?.find((one) => one['type'] !== 'null')
    if (option) return resolve({ ...option, ...rest(part, key) }, root)
  }
  return part
}

function rest(part: Schema, without: string): Schema {
  return Object.fromEntries(Object.entries(part).filter(([key]) => key !== without))
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

const WORDS: Readonly<Record<string, string>> = { url: 'URL', id: 'id', arn: 'ARN', kms: 'KMS', s: '(seconds)', mb: 'MB', lob: 'LOB', tcp: 'TCP', tls: 'TLS', cdc: 'CDC' }

/** `login_timeout_s` → `Login timeout (seconds)`. */
export function labelOf(name: string): string {
  const words = name.split('_').map((word) => WORDS[word] ?? word).join(' ').replace('MB (seconds)', '(MB/s)')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** What to send: given values that differ from the default, and never an empty secret. */
export function configOf(fields: readonly FormField[], values: Record<string, unknown>): Record<string, unknown> {
  const config: Record<string, unknown> = {}
  for (const field of fields) {
    const value = values[field.name]
    if (value === undefined || value === null || value === '' || (Array.isArray(value) && !value.length)) continue
    config[field.name] = field.kind === 'number' ? Number(value) : value
  }
  return config
}

/** What is missing or wrong, by field: said before the server has to. */
export function missing(fields: readonly FormField[], values: Record<string, unknown>): Record<string, string> {
  const found: Record<string, string> = {}
  for (const field of fields) {
    const given = values[field.name]
    const empty = given === undefined || given === null || given === '' || (Array.isArray(given) && !given.length)
    const wrong = empty ? (field.required ? `${field.label} is required.` : '') : wrongNumber(field, Number(given))
    if (wrong) found[field.name] = wrong
  }
  return found
}

function wrongNumber(field: FormField, number: number): string {
  if (field.kind !== 'number') return ''
  if (!Number.isFinite(number) || (field.whole && !Number.isInteger(number))) return `${field.label} must be a ${field.whole ? 'whole ' : ''}number.`
  const { least, most } = field
  if (number >= (least ?? -Infinity) && number <= (most ?? Infinity)) return ''
  return `${field.label} must be ${most === null ? `at least ${String(least)}` : `from ${String(least)} to ${String(most)}`}.`
}

/** Field of a server's JSON path: `$.connection_config.port` → `port`, `$.name` → `name`. */
export function fieldOfPath(path: string | null): string | null {
  const found = /^\$\.(?:connection_config\.)?(\w+)/.exec(path ?? '')
  return found?.[1] ?? null
}
