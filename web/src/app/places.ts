/** The pages of the page: where each leads, and for whom. Pure. */
import type { UserRole } from '@/shared/api/types'

export interface Place {
  to: string
  icon: string
  text: string
  role?: UserRole
  feature?: string
  /** Only where people have accounts. */
  users?: boolean
}
/** What a session tells of who is there and what the server offers. */
export interface Rights {
  hasUsers: boolean
  may: (role: UserRole) => boolean
  offers: (feature: string) => boolean
}

const PLACES: readonly Place[] = [
  { to: '/', icon: '▦', text: 'Dashboard' },
  { to: '/connectors', icon: '⇄', text: 'Connectors' },
  { to: '/tasks', icon: '☰', text: 'Tasks' },
  { to: '/builder', icon: '✎', text: 'Task builder', role: 'operator' },
  { to: '/alerts', icon: '▲', text: 'Alerts' },
  { to: '/users', icon: '☺', text: 'Users', role: 'admin', feature: 'users' },
  { to: '/tokens', icon: '◈', text: 'API tokens', feature: 'tokens', users: true },
  { to: '/audit', icon: '✍', text: 'Audit log', role: 'admin', feature: 'audit' },
  { to: '/settings', icon: '⚙', text: 'Settings' },
]
const ACTIONS = [{ to: '/builder', text: 'New task' }, { to: '/connectors?new=1', text: 'New connector' }] as const

export function pagesFor(session: Rights): Place[] {
  return PLACES.filter(({ role, feature, users }) => (role === undefined || session.may(role)) && (feature === undefined || session.offers(feature)) && (!users || session.hasUsers))
}

/** What the search finds beside tasks, connectors and tables: no page whose answer would be a refusal. */
export function placesFor(session: Rights): { kind: 'page' | 'action'; name: string; to: string }[] {
  return [
    ...pagesFor(session).map(({ to, text }) => ({ kind: 'page' as const, name: text, to })),
    ...(session.may('operator') ? ACTIONS.map(({ to, text }) => ({ kind: 'action' as const, name: text, to })) : []),
  ]
}
