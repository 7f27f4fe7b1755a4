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
  { key: 'server.forwardAuth', what: 'forward authentication', harmless: none },
  { key: 'providers.*.tls.cert', what: 'a client certificate at the provider' },
  { key: 'providers.*.tls.key', what: 'a client certificate at the provider' },
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
  refuseProtocols(tree, reading)
}

function refuse(path: Path, message: string, hint: string, reading: Reading): void {
  reading.problems.add({ severity: 'error', path, message, advice: hint, atKey: true })
}

/** In place of a provider that this version lacks: its name stays known. */
function refuseProtocols(tree: Tree, reading: Reading): void {
  for (const [index, provider] of listIn(tree, 'providers').entries()) {
    if (!isTree(provider) || typeof provider.protocol !== 'string' || !absentProtocols.includes(provider.protocol)) continue
    const path = ['providers', index]
    reading.problems.error(
      [...path, 'protocol'],
      refusal(`the protocol ${provider.protocol}`),
      'use OIDC, OAUTH2, WEBSEAL or LOCAL, or take the provider away',
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
