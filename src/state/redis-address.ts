// `redis://…`, `redis+sentinel://…`, `redis+cluster://…` -> whom to connect to. A password goes into options, never into a message.

export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly isTls: boolean
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  readonly username?: string
  readonly password?: string
  readonly database: number
  /** The master's name; of a Sentinel's address. */
  readonly master: string
}

const pattern = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?#]+)((?:\/[^/?#]*){0,2})$/
const usualPort = { single: 6379, sentinel: 26_379, cluster: 6379 }

/** undefined: no address of a Redis. */
export function readRedisAddress(url: string): RedisAddress | undefined {
  const [, scheme, form, login, hosts = '', path = ''] = pattern.exec(url) ?? []
  if (scheme === undefined) return undefined
  const kind = (form ?? 'single') as RedisAddress['kind']
  const nodes = hosts.split(',').map((host) => readNode(host, usualPort[kind]))
  const credentials = readLogin(login)
  const [first = '', second = ''] = path.slice(1).split('/')
  const [master, database] = kind === 'sentinel' ? [first, second] : ['', first]
  // a Cluster has one database
  const fits = {
    single: nodes.length === 1 && second === '',
    sentinel: /^[\w.-]+$/.test(master),
    cluster: path.length <= 1,
  }
  if (/\s/.test(url) || !/^\d{0,5}$/.test(database) || !fits[kind]) return undefined
  if (!credentials || !nodes.every((node) => node !== undefined)) return undefined
  return { kind, isTls: scheme === 'rediss', nodes, ...credentials, database: Number(database), master }
}

function readNode(text: string, usual: number): { readonly host: string; readonly port: number } | undefined {
  const [, six, host, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]@]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const named = six ?? host
  return named === undefined || Number(port) > 65_535
    ? undefined
    : { host: named, port: port === undefined ? usual : Number(port) }
}

/** `user:password`, `:password`, or a user alone. undefined: badly escaped. */
function readLogin(text: string | undefined): { readonly username?: string; readonly password?: string } | undefined {
  if (text === undefined) return {}
  const at = text.indexOf(':')
  try {
    const [username, password] = [at < 0 ? text : text.slice(0, at), at < 0 ? '' : text.slice(at + 1)].map(decodeURIComponent)
    return { ...(username ? { username } : {}), ...(password ? { password } : {}) }
  } catch {
    return undefined
  }
}
