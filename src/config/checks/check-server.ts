// What cannot be right between the keys of `server` and `session`.
import { isLoopbackHost, parseRange } from '../../addresses.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config } from '../schema.ts'
import { checkSessionLimit } from './check-session.ts'

export function checkServer(config: Config, reading: Reading): void {
  checkListeners(config, reading)
  checkOwnPaths(config, reading)
  checkTrust(config, reading)
  checkSession(config, reading)
  checkSessionLimit(config, reading)
  if (config.server.publicUrl !== undefined) warnOfPlainHttp(config.server.publicUrl, ['server', 'publicUrl'], reading)
}

/** Cookies of a site people reach over plain http can be read and set by anybody on the way. */
export function warnOfPlainHttp(publicUrl: string, path: Path, reading: Reading): void {
  const { protocol, hostname } = new URL(publicUrl)
  if (protocol === 'https:' || isLoopbackHost(hostname)) return
  reading.problems.warning(
    path,
    'is plain http: sessions can be stolen on the way',
    'write https, also where TLS ends at the ingress',
  )
}

function checkListeners({ server }: Config, { problems }: Reading): void {
  const names = ['listen', 'health', 'admin'] as const
  for (const [index, name] of names.entries()) {
    const { port } = server[name]
    const other = names.slice(0, index).find((earlier) => port !== 0 && server[earlier].port === port)
    if (other) problems.error(['server', name], `has the port of server.${other}`, 'give each listener a port of its own')
  }
  if (isLoopbackHost(server.admin.host) || server.adminToken !== undefined) return
  problems.error(
    ['server', 'admin'],
    'is open to other machines without adminToken',
    'write 127.0.0.1:9090, or add adminToken: ${file:/run/secrets/postern/admin-token}',
  )
}

function checkOwnPaths({ server }: Config, { problems }: Reading): void {
  const { healthPath, basePath } = server
  if (healthPath === '/')
    problems.error(
      ['server', 'healthPath'],
      'would answer for the start page of every portal',
      'write a path of its own, for example /alive',
    )
  if (healthPath === basePath || healthPath.startsWith(`${basePath}/`))
    problems.error(['server', 'healthPath'], 'lies below basePath', 'write a path outside of it, for example /alive')
}

function checkTrust({ server }: Config, reading: Reading): void {
  for (const [index, range] of server.trustedProxies.entries()) {
    const path = ['server', 'trustedProxies', index]
    if (parseRange(range)?.[1] === 0)
      reading.problems.warning(path, 'trusts the X-Forwarded-* of everybody', 'name the addresses of your ingress only')
    else warnOfWideRange(range, path, reading)
  }
}

/** Up to /7 in IPv4, up to /15 in IPv6: never one company's proxies. */
export function warnOfWideRange(range: string, path: Path, reading: Reading): void {
  const [address, bits] = parseRange(range) ?? []
  if (!address || bits === undefined || bits > (address.kind() === 'ipv4' ? 7 : 15)) return
  reading.problems.warning(path, `is very wide (/${bits})`, 'name the addresses that are meant')
}

function checkSession(config: Config, { problems }: Reading): void {
  const { keys, idle, lifetime, cookie } = config.session
  for (const [index, key] of keys.entries())
    if (isZero(key))
      problems.error(
        ['session', 'keys', index],
        'is all zeros: anybody could make sessions with it',
        'run `postern keygen` and put what it prints into a secret',
      )
  if (idle > lifetime) problems.warning(['session', 'idle'], 'is longer than session.lifetime', 'make idle the shorter one')
  if (/^__(Host|Secure)-/i.test(cookie.name))
    problems.error(
      ['session', 'cookie', 'name'],
      'starts with a prefix that browsers give a meaning',
      'write auto, which adds __Host- on https, or another name',
    )
}

/** As stand-ins are, which belong to paths that are settled. */
const isZero = (key: string): boolean => Buffer.from(key, 'base64url').every((byte) => byte === 0)
