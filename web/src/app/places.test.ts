import { expect, it } from 'vitest'

import { pagesFor, placesFor, type Rights } from './places'

const RANKS = ['viewer', 'operator', 'admin']
function rights(role: string, hasUsers = true, features = ['users', 'tokens', 'audit']): Rights {
  return { hasUsers, may: (least) => RANKS.indexOf(role) >= RANKS.indexOf(least), offers: (feature) => features.includes(feature) }
}

it('leads nobody to a page whose answer is a refusal', () => {
  const viewer = placesFor(rights('viewer')).map(({ name }) => name)
  expect(viewer).toContain('Settings')
  expect(viewer).toContain('API tokens')
  for (const name of ['Users', 'Audit log', 'Task builder', 'New task', 'New connector']) expect(viewer).not.toContain(name)
  const operator = placesFor(rights('operator'))
  expect(operator).toContainEqual({ kind: 'action', name: 'New task', to: '/builder' })
  expect(operator.map(({ name }) => name)).not.toContain('Users')
})

it('has no page of what the server does not offer', () => {
  expect(pagesFor(rights('admin', false, ['audit'])).map(({ to }) => to)).toEqual(['/', '/connectors', '/tasks', '/builder', '/alerts', '/audit', '/settings'])
})
