// Expressions about who is asked where: `when` of a portal's provider, `loginHint` and `verify` of a provider. What they may
// read depends on who is known by then.
import type { Expression } from '../../expression/compile.ts'
import { compiledAt, lint, locateIn } from '../expression-check.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config } from '../schema.ts'
import { firstProvidersOf, isSignIn } from '../uris.ts'

/** Known of a request before anybody is. */
const ofTheRequest: ReadonlySet<string> = new Set(['client_ip', 'is_client_ip_private', 'request', 'portal', 'now'])
const ofTheStart: ReadonlySet<string> = new Set([...ofTheRequest, 'login_hint'])

export function checkConditions(config: Config, reading: Reading): void {
  checkWhens(config, reading)
  checkHints(config, reading)
}

function checkWhens({ portals }: Config, reading: Reading): void {
  for (const [index, portal] of portals.entries()) {
    for (const [at, { when, after }] of portal.providers.entries()) {
      if (when === undefined) continue
      const path = ['portals', index, 'providers', at, 'when']
      const expression = compiledAt(when, 'rule', path, reading)
      if (!expression) continue
      const unknown = after === undefined ? personRead(expression, ofTheRequest) : undefined
      if (unknown === undefined) lint(when, undefined, path, locateIn(path, when, reading), reading)
      else
        reading.problems.error(
          path,
          `reads ${unknown}, but nobody is known yet when providers are offered`,
          'write after: PROVIDER beside it for a second factor, or make it a rule',
          placeOf(unknown, when, path, reading),
        )
    }
  }
}

function checkHints(config: Config, reading: Reading): void {
  for (const [index, provider] of config.providers.entries()) {
    if (!isSignIn(provider)) continue
    const { loginHint, verify } = provider
    const path = ['providers', index]
    if (loginHint !== undefined) compiledAt(loginHint, 'value', [...path, 'loginHint'], reading)
    if (verify === undefined) continue
    const at = [...path, 'verify', 'equals']
    const expression = compiledAt(verify.equals, 'value', at, reading)
    if (!expression) continue
    const unknown = personRead(expression, ofTheStart)
    const isFirst = config.portals.some((portal) => firstProvidersOf(portal).includes(provider.name))
    if (unknown !== undefined && isFirst && provider.enabled)
      reading.problems.warning(
        at,
        `reads ${unknown}: at a first sign-in nobody is known, so that nobody could come back`,
        'use the provider with after only, or compare with login_hint',
        placeOf(unknown, verify.equals, at, reading),
      )
    const hintTravels = provider.passParameters.includes('login_hint') && expression.reads.facts.has('login_hint')
    if (loginHint === undefined && !hintTravels)
      reading.problems.warning(
        [...path, 'verify'],
        'stands without loginHint: the provider is not told whom we ask for',
        'add loginHint with the same expression',
      )
  }
}

/** The first fact that needs a person; the whole document holds one. */
function personRead({ reads }: Expression, known: ReadonlySet<string>): string | undefined {
  return [...reads.facts].find((fact) => !known.has(fact)) ?? (reads.everything ? 'all facts' : undefined)
}

function placeOf(fact: string, source: string, path: Path, reading: Reading) {
  return locateIn(path, source, reading)(Math.max(0, source.search(new RegExp(`\\b${fact.replace(/[^\w]/g, '\\$&')}\\b`))))
}
