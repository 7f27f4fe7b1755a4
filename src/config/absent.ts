// What the contract knows and this version does not do. A restriction that is written but not enforced would let people in
// who must not get in (CVE-2021-21411): every one of these keys stops the start, except at the value that asks for nothing.

import type { Path } from './positions.ts'
import type { Reading } from './reading.ts'
import { absentProtocols } from './schema/providers.ts'
import { deleteAt, isTree, listIn, matching, putAt, type Tree } from './tree.ts'

interface Absent {
  readonly key: string
  /** What it would be for. */
  readonly what: string
  /** Values that ask for nothing. */
  readonly harmless?: (value: unknown) => boolean
}
const none = (value: unknown): boolean => Array.isArray(value) && value.length === 0
const is =
  (...harmless: readonly unknown[]) =>
  (value: unknown): boolean =>
    harmless.includes(value)

/** The one list. Dotted paths; `*` is every item. */
export const absentKeys: readonly Absent[] = [
  { key: 'server.workers', what: 'several processes', harmless: is(1, '1') },
  { key: 'server.state', what: 'a state store' },
  { key: 'server.forwardAuth', what: 'forward authentication', harmless: none },
  { key: 'session.maxPerUser', what: 'a limit of sessions per person', harmless: is(0, '0') },
  { key: 'session.onLimit', what: 'a limit of sessions per person' },
  { key: 'providers.*.profiles', what: 'profiles' },
  { key: 'providers.*.postLogin', what: 'post-login actions', harmless: none },
  { key: 'providers.*.link', what: 'account links' },
  { key: 'providers.*.verify', what: 'comparing a returned claim with what was asked for' },
  { key: 'providers.*.loginHint', what: 'login hints' },
  { key: 'providers.*.vendor', what: 'the quirks of vendors' },
  { key: 'providers.*.allowedTenants', what: 'a list of tenants', harmless: none },
  { key: 'providers.*.tls.cert', what: 'a client certificate at the provider' },
  { key: 'providers.*.tls.key', what: 'a client certificate at the provider' },
  { key: 'portals.*.onSignOut', what: 'calls at sign-out', harmless: none },
  { key: 'portals.*.enforceLocal', what: 'break-glass', harmless: is(false, 'false') },
  { key: 'portals.*.session.group', what: 'a session shared by portals' },
  { key: 'portals.*.routes.*.reauthenticate', what: 'signing in anew for a route', harmless: is('session') },
  { key: 'portals.*.routes.*.acr', what: 'a required strength of sign-in' },
  { key: 'portals.*.routes.*.providers', what: 'providers of a single route' },
  { key: 'portals.*.routes.*.endsSession', what: 'a route that signs out', harmless: is(false, 'false') },
  { key: 'pages.dir', what: 'pages of your own' },
]

const refusal = (what: string): string => `not in this version yet: ${what}`
const advice = 'take the key away'

/** Says what this version lacks and takes it out of the tree, so that the rest is checked. */
export function refuseAbsent(tree: Tree, reading: Reading): void {
  for (const { key, what, harmless } of absentKeys) {
    for (const { path, value } of matching(tree, key)) {
      if (!harmless?.(value)) refuse(path, refusal(what), advice, reading)
      deleteAt(tree, path)
    }
  }
  refuseStores(tree, reading)
  refuseProtocols(tree, reading)
  plainReferences(tree, reading)
}

function refuse(path: Path, message: string, hint: string, reading: Reading): void {
  reading.problems.add({ severity: 'error', path, message, advice: hint, atKey: true })
}

function refuseStores(tree: Tree, reading: Reading): void {
  for (const { path, value } of matching(tree, 'session.store')) {
    if (typeof value !== 'string' || !/^(memory|rediss?:)/i.test(value)) continue
    refuse(path, refusal('other session stores than the cookie'), 'write cookie, or take the key away', reading)
    deleteAt(tree, path)
  }
}

/** In place of a provider that this version lacks: its name stays known. */
function refuseProtocols(tree: Tree, reading: Reading): void {
  for (const [index, provider] of listIn(tree, 'providers').entries()) {
    if (!isTree(provider) || typeof provider.protocol !== 'string' || !absentProtocols.includes(provider.protocol)) continue
    const path = ['providers', index]
    reading.problems.error(
      [...path, 'protocol'],
      refusal(`the protocol ${provider.protocol}`),
      'use OIDC or WEBSEAL, or take the provider away',
    )
    reading.problems.settle([...path, 'protocol'])
    putAt(tree, path, {
      protocol: 'WEBSEAL',
      name: provider.name,
      enabled: provider.enabled ?? true,
      trustedSourceIps: ['192.0.2.1'],
    })
  }
}

/** `{ name: PLAY }` is `PLAY`; `when` and `after` are refused. */
function plainReferences(tree: Tree, reading: Reading): void {
  for (const { path, value } of matching(tree, 'portals.*.providers.*')) {
    if (!isTree(value)) continue
    for (const key of ['when', 'after'].filter((one) => Object.hasOwn(value, one))) {
      refuse([...path, key], refusal('providers on a condition'), 'write the name of the provider alone', reading)
      delete value[key]
    }
    if (Object.keys(value).join() === 'name') putAt(tree, path, value.name)
  }
}
