// An identity provider for tests: oidc-provider on a free port of loopback, with its own login forms.
// Arguments: redirect URI, client id, client secret. Prints one JSON line when it is ready.
import { createServer } from 'node:http'

import Provider from 'oidc-provider'

const [redirectUri, clientId, clientSecret] = process.argv.slice(2)
const GROUPS = { ann: ['dtaas-admins', 'staff'], bob: ['dtaas-operators'], eve: ['others'], root: ['staff'] }

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address()
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: [redirectUri] }],
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'], email: ['email'] },
    cookies: { keys: ['of a test'] },
    pkce: { required: () => true },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, groups: GROUPS[id] ?? [], email: `${id}@example.com` }),
    }),
  })
  server.on('request', provider.callback())
  console.log(JSON.stringify({ issuer: provider.issuer }))
})
