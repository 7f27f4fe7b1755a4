// Choosing how to sign in: what is offered, in which order, and who is sent straight on. Knows no page and no protocol.
import { domainToASCII } from 'node:url'
import { cookieValue } from '../../cookies.ts'
import type { Answer, Choice, EmailQuestion, Portal, Provider, RequestView, SessionRules } from '../../types.ts'
import { isLocal } from '../local.ts'
import { returnAddress } from './return-address.ts'
import { type Errand, portalOf, redirect, refuse, type SignInContext, startPath, wishFields, wishOf } from './sign-in-context.ts'
import { firstProviders, usableProviders } from './usable.ts'

/** Seconds: half a year. */
const rememberedFor = 15_552_000
/** RFC 5321 section 4.5.3.1: 64 before the `@`, 255 after it. */
const longestEmail = 320

export async function chooser(context: SignInContext, request: RequestView, asked: Portal): Promise<Answer> {
  const query = new URLSearchParams(request.query)
  const portal = portalOf(context, asked, query.get('return'))
  const returnTo = returnAddress(query.get('return'), portal, context.basePath)
  const errand: Errand = { context, request, portal, returnTo, now: context.clock(), wish: wishOf(query, portal) }
  if (firstProviders(portal).length === 0) return refuse(request, 'sign-in-needed')
  const usable = await usableProviders(errand)
  if (usable.length === 0) return refuse(request, 'provider-not-enough', { status: 403 })

  const email = query.get('email')?.trim()
  const home = email === undefined ? undefined : providerOf(email, usable)
  if (home) return sendHome(errand, home, email as string, query.get('form') === '1')
  const straight = usable.length === 1 ? usable[0] : usable.find(({ name }) => name === portal.defaultProvider)
  if (straight && email === undefined && query.get('choose') !== '1') return redirect(startOf(errand, straight))
  const question = emailQuestion(errand, usable, email)
  const page = {
    name: 'chooser' as const,
    choices: choicesAmong(errand, usable),
    returnTo,
    ...(question ? { email: question } : {}),
  }
  return { show: { kind: 'page', page }, cookies: [] }
}

/**
 * Chromium holds Content-Security-Policy `form-action` against every redirection after a form, the provider's own ones too: whoever
 * comes from our form gets a page that goes on by itself.
 */
function sendHome(errand: Errand, provider: Provider, email: string, isForm: boolean): Answer {
  const to = `${startOf(errand, provider)}&login_hint=${encodeURIComponent(email)}`
  if (!isForm) return redirect(to)
  const choices = choicesAmong(errand, [provider]).map((choice) => ({ ...choice, href: to }))
  const page = { name: 'chooser' as const, choices, returnTo: errand.returnTo, forward: true as const }
  return { show: { kind: 'page', page }, cookies: [] }
}

/** What else there is to choose, where one of them cannot be used. */
export async function choicesOf(errand: Errand, except?: string): Promise<readonly Choice[]> {
  const usable = await usableProviders(errand)
  return choicesAmong(
    errand,
    usable.filter(({ name }) => name !== except),
  )
}

/** The one that worked last time stands out and comes first; one that is known to be down comes last. */
function choicesAmong(errand: Errand, providers: readonly Provider[]): readonly Choice[] {
  const { request, portal } = errand
  const last = lastChoice(request, portal.session)
  const outstanding = providers.some(({ name }) => name === last) ? last : portal.defaultProvider
  const choices = providers.map((provider) => ({ provider, isDown: provider.status?.().state === 'unavailable' }))
  const rank = ({ provider, isDown }: (typeof choices)[number]) => (isDown ? 2 : provider.name === last ? 0 : 1)
  return choices
    .sort((a, b) => rank(a) - rank(b))
    .map(({ provider, isDown }) => ({
      label: provider.label,
      href: startOf(errand, provider),
      isDefault: provider.name === outstanding,
      ...(isLocal(provider) ? { isLocal: true } : {}),
      ...(isDown ? { trouble: 'provider-unavailable' as const } : {}),
    }))
}

const startOf = ({ context, returnTo, wish }: Errand, { name }: Provider): string =>
  startPath(context.basePath, name, returnTo, wish)

function emailQuestion(
  { context, returnTo, wish }: Errand,
  usable: readonly Provider[],
  typed?: string,
): EmailQuestion | undefined {
  if (!usable.some(({ asking }) => asking?.domains?.length)) return undefined
  return {
    action: `${context.basePath}/login`,
    fields: [['return', returnTo], ['choose', '1'], ['form', '1'], ...wishFields(wish)],
    ...(typed ? { unknown: typed.slice(0, longestEmail) } : {}),
  }
}

/** Whose domain it is: whole labels only (CVE-2021-21291), exactly one `@` (CVE-2026-40574). */
function providerOf(email: string, usable: readonly Provider[]): Provider | undefined {
  const [local, domain = '', ...more] = email.split('@')
  const asked = domainToASCII(domain)
  if (!local || asked === '' || more.length > 0 || email.length > longestEmail || hasControl(email)) return undefined
  const parent = asked.slice(asked.indexOf('.') + 1)
  const claims = (wanted: string) =>
    usable.find(({ asking }) => asking?.domains?.some((claimed) => canonical(claimed) === wanted))
  return claims(asked) ?? (asked.includes('.') ? claims(`*.${parent}`) : undefined)
}
const canonical = (domain: string): string =>
  domain.startsWith('*.') ? `*.${domainToASCII(domain.slice(2))}` : domainToASCII(domain)
export const hasControl = (text: string): boolean => /[\u0000-\u001f\u007f-\u009f]/.test(text)

const lastName = ({ cookieName }: SessionRules): string => `${cookieName}.last`

/** Set-Cookie values that remember what this person chose, where there is something to choose: a name, and nothing of theirs. */
export const rememberChoice = (portal: Portal, { name }: Provider): readonly string[] =>
  firstProviders(portal).length < 2
    ? []
    : [`${lastName(portal.session)}=${encodeURIComponent(name)}; ${portal.session.cookieAttributes}; Max-Age=${rememberedFor}`]

function lastChoice(request: RequestView, rules: SessionRules): string | undefined {
  try {
    return decodeURIComponent(cookieValue(request.cookies, lastName(rules)) ?? '') || undefined
  } catch {
    return undefined // not ours
  }
}
