/** How people can be told: what each kind of channel asks for. Pure. */
import type { ChannelKind } from '@/shared/api/types'
import { fieldsOf, type FormField } from '@/shared/lib/schemaForm'

export const CHANNEL_NAMES: Readonly<Record<ChannelKind, string>> = { webhook: 'Webhook', slack: 'Slack', email: 'Mail' }

const text = (description: string) => ({ type: 'string', description })
const secret = (description: string) => ({ type: 'string', format: 'password', default: '', description })

const SCHEMAS: Readonly<Record<ChannelKind, Record<string, unknown>>> = {
  webhook: {
    type: 'object', required: ['url'],
    properties: { url: text('A POST of JSON goes there'), secret: secret('Signs the body: X-DTaaS-Signature'), token: secret('Sent as Authorization: Bearer') },
  },
  slack: { type: 'object', required: ['webhook_url'], properties: { webhook_url: { type: 'string', format: 'password', description: 'The address of the incoming webhook; it is the secret' } } },
  email: {
    type: 'object', required: ['host', 'sender', 'recipients'],
    properties: {
      host: text('Mail server'), port: { type: 'integer', minimum: 1, maximum: 65535, default: 587 }, security: { enum: ['starttls', 'tls', 'none'], default: 'starttls' },
      username: { type: 'string', default: '' }, password: secret(''), sender: text('Such as dtaas@example.com'), recipients: { type: 'array', items: { type: 'string' }, description: 'Addresses separated by commas' },
    },
  },
}

export function channelFields(kind: ChannelKind): FormField[] {
  return fieldsOf(SCHEMAS[kind])
}
