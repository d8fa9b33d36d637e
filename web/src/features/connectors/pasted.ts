/** Connection texts people have at hand → form values. Pure. */

/** Read an ODBC/ADO.NET connection string, a URL, or an s3:// address; null when it is none. */
export function parsePasted(text: string): Record<string, unknown> | null {
  const trimmed = text.trim()
  if (/^s3:\/\//i.test(trimmed)) {
    const [bucket = '', ...rest] = trimmed.slice(5).split('/')
    const prefix = rest.join('/').replace(/\/$/, '')
    return { bucket, ...(prefix ? { prefix: `${prefix}/{schema}/{table}` } : {}) }
  }
  if (/^(mssql|sqlserver|jdbc:sqlserver)(\+\w+)?:\/\//i.test(trimmed)) return ofUrl(trimmed)
  return trimmed.includes('=') ? ofPairs(trimmed.split(';')) : null
}

function ofUrl(text: string): Record<string, unknown> | null {
  const jdbc = /^jdbc:/i.test(text)
  if (jdbc) {
    const [place = '', ...pairs] = text.replace(/^jdbc:sqlserver:\/\//i, '').split(';')
    return { ...ofServer(place.replace(':', ',')), ...ofPairs(pairs) }
  }
  try {
    const url = new URL(text.replace(/^[a-z+]+:/i, 'http:'))
    return {
      host: url.hostname,
      ...(url.port ? { port: Number(url.port) } : {}),
      ...(url.pathname.length > 1 ? { database: decodeURIComponent(url.pathname.slice(1)) } : {}),
      ...(url.username ? { username: decodeURIComponent(url.username) } : {}),
      ...(url.password ? { password: decodeURIComponent(url.password) } : {}),
    }
  } catch {
    return null
  }
}

function ofPairs(pairs: readonly string[]): Record<string, unknown> | null {
  const found: Record<string, unknown> = {}
  for (const pair of pairs) {
    const cut = pair.indexOf('=')
    if (cut < 0) continue
    const key = pair.slice(0, cut).trim().toLowerCase().replaceAll(' ', '')
    const value = pair.slice(cut + 1).trim().replace(/^\{(.*)\}$/, '$1')
    if (['server', 'datasource', 'address', 'addr'].includes(key)) Object.assign(found, ofServer(value))
    else if (['database', 'initialcatalog', 'databasename'].includes(key)) found['database'] = value
    else if (['uid', 'userid', 'user', 'username'].includes(key)) found['username'] = value
    else if (['pwd', 'password'].includes(key)) found['password'] = value
    else if (key === 'trustservercertificate') found['trust_server_certificate'] = /^(yes|true)$/i.test(value)
    else if (key === 'encrypt') found['encrypt'] = /^(no|false|optional)$/i.test(value) ? 'no' : /^strict$/i.test(value) ? 'strict' : 'yes'
  }
  return Object.keys(found).length ? found : null
}

function ofServer(value: string): Record<string, unknown> {
  const [host = '', port] = value.replace(/^tcp:/i, '').split(',')
  return { host: host.trim(), ...(port ? { port: Number(port) } : {}) }
}
