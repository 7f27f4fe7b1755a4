// What cannot be right about routes that sign out, and about what portals are told of the end of a session.
import { compileExpression } from '../../expression/compile.ts'
import { ExpressionError } from '../../expression/errors.ts'
import { parseTemplate } from '../../expression/template.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config, PortalConfig, RouteConfig } from '../schema.ts'
import { isSignIn, providerNamesOf } from '../uris.ts'
import { type CallToCheck, checkCall } from './check-calls.ts'

export function checkSignOut(config: Config, reading: Reading): void {
  for (const [index, portal] of config.portals.entries()) {
    const path = ['portals', index]
    for (const [at, { call }] of portal.onSignOut.entries()) {
      const place = [...path, 'onSignOut', at, 'call']
      checkCall(call, place, false, reading)
      refuseRequest(call, place, reading)
    }
    if (portal.onSignOut.length > 0 && config.session.store === 'cookie') warnOfTimeOuts([...path, 'onSignOut'], reading)
    for (const [at, route] of portal.routes.entries())
      if (route.endsSession) checkRoute(route, portal, [...path, 'routes', at, 'endsSession'], config, reading)
  }
}

function warnOfTimeOuts(path: Path, { problems }: Reading): void {
  problems.add({
    severity: 'warning',
    path,
    message: 'is not called for sessions that time out: they live in the browser alone, and nobody sees them end',
    advice: 'write session: { store: memory }, or a Redis, to have time-outs told too',
    atKey: true,
  })
}

function checkRoute(route: RouteConfig, portal: PortalConfig, path: Path, config: Config, { problems }: Reading): void {
  if (route.access === 'public' || route.access === 'blocked')
    problems.error(
      path,
      `would end nothing: on a ${route.access} route nobody is asked who they are`,
      'write access: optional, or leave access out',
    )
  const names = providerNamesOf(portal)
  const signsIn = config.providers.some(
    (provider) => names.includes(provider.name) && (isSignIn(provider) || provider.protocol === 'LOCAL'),
  )
  if (!signsIn)
    problems.warning(
      path,
      'ends nothing: nobody signs in here at this portal',
      'take it away, or add a provider that people sign in at',
    )
}

const unknown = ['request', 'client_ip', 'is_client_ip_private']

/** A session may end for want of a request. What cannot be read at all is said by the check of the call. */
function refuseRequest({ url, headers, body }: CallToCheck, path: Path, reading: Reading): void {
  const texts = [
    [[...path, 'url'], holesIn(url)],
    ...Object.entries(headers).map(([name, text]) => [[...path, 'headers', name], holesIn(text)] as const),
    ...(body === undefined ? [] : [[[...path, 'body'], [body]] as const]),
  ] as const
  for (const [place, sources] of texts) {
    const name = unknown.find((fact) => sources.some((source) => readsFact(source, fact)))
    if (name !== undefined && !reading.problems.isSettled(place))
      reading.problems.error(
        place,
        `reads ${name}, and no request is behind the end of a session`,
        'read what is known of the person: account, groups, provider, claims, and reason',
      )
  }
}

function holesIn(template: string): readonly string[] {
  try {
    return parseTemplate(template).flatMap((part) => (part.kind === 'hole' ? [part.source] : []))
  } catch (error) {
    if (error instanceof ExpressionError) return []
    throw error
  }
}

function readsFact(source: string, fact: string): boolean {
  try {
    const { reads } = compileExpression(source, 'value')
    return reads.facts.has(fact)
  } catch (error) {
    if (error instanceof ExpressionError) return false
    throw error
  }
}
