/** What a file names that this server does not have, so that a person can say what stands for it. Pure. */
import { parseAllDocuments } from 'yaml'

import type { FileProblem } from '@/shared/api/types'

type Part = Record<string, unknown>
const REFERENCE = /^\$\{env:([^{}]+)\}$/

export interface MissingConnector {
  name: string
  role: 'source' | 'destination'
}
export interface Missing {
  connectors: MissingConnector[]
  secrets: string[]
}

/** Read the names out of the file, at the fields its problems point at. */
export function missingOf(text: string, problems: readonly FileProblem[]): Missing {
  const parts = problems.length ? partsOf(text) : []
  const connectors = new Map<string, MissingConnector>()
  const secrets = new Set<string>()
  for (const problem of problems) {
    const part = parts.find((one) => one['kind'] === problem.kind && one['name'] === problem.name)
    const path = (problem.field ?? '').replace(/^\$\./, '')
    if (problem.code === 'connector_missing' && (path === 'source' || path === 'destination')) {
      const name = part?.[path]
      if (typeof name === 'string') connectors.set(`${path} ${name}`, { name, role: path })
    } else if (problem.code === 'secret_missing') {
      const name = referenced(part?.['connection_config'], path)
      if (name) secrets.add(name)
    }
  }
  return { connectors: [...connectors.values()], secrets: [...secrets].sort() }
}

function referenced(config: unknown, path: string): string | undefined {
  const value = (config as Part | undefined)?.[path.replace(/^connection_config\./, '')]
  return typeof value === 'string' ? REFERENCE.exec(value)?.[1] : undefined
}

function partsOf(text: string): Part[] {
  const documents = parseAllDocuments(text)
  if (!Array.isArray(documents)) return []
  return documents.filter((one) => !one.errors.length).map((one) => one.toJS() as unknown).filter((one): one is Part => typeof one === 'object' && one !== null)
}
