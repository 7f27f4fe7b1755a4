// The access token on its way to portals that name a header for it: there while it lasts, nowhere else, and nobody else's beside it.
import { describe, expect, it } from 'vitest'
import { decide } from '../../../src/decide.ts'
import type { Allow, Generation, Identified, Portal, Route, Session, Tokens } from '../../../src/types.ts'
import { isWritablePlan } from '../../../src/upstream/planned-headers.ts'
import { identityOf, noon, portalOf, requestOf, routeOf, ScriptedProvider } from '../harness.ts'
import { tokensAt } from './refresh-setup.ts'

const plan = ['iv-user', 'anna']
const judge: Route['judge'] = () => ({ verdict: { allowed: true, reason: 'allowed', rule: '' }, headers: plan })

async function allowed(
  portal: Partial<Portal>,
  tokens: Tokens | undefined,
  route: Partial<Route> = {},
  now = noon,
): Promise<Allow> {
  const home = portalOf('home', [new ScriptedProvider('PLAY')], portal)
  const session: Session = {
    id: 's',
    audience: 'home',
    identity: identityOf('anna'),
    createdAt: noon,
    idleUntil: 9e15,
    endsAt: 9e15,
    revision: 0,
    ...(tokens ? { tokens } : {}),
  }
  const who: Identified = { outcome: { kind: 'identified', identity: session.identity }, cookies: [], session }
  const generation = {
    findPortal: () => home,
    findRoute: () => routeOf({ judge, ...route }),
    ownEndpoint: () => undefined,
    identify: () => who,
  } as unknown as Generation
  const decision = await decide(requestOf(), generation, now)
  if (decision.kind !== 'allow') throw new Error(decision.kind)
  return decision
}

describe('the access token', () => {
  it('stands in the header that the portal names', async () => {
    const { headers, consumedAuthorization } = await allowed({ accessTokenHeader: 'x-access-token' }, tokensAt(noon))
    expect(headers).toEqual([...plan, 'x-access-token', 'access-0'])
    expect(consumedAuthorization).toBe(false)
  })

  it.each(['authorization', 'Authorization'])('stands in %s as Bearer, and the client’s own does not', async (name) => {
    const { headers, consumedAuthorization } = await allowed({ accessTokenHeader: name }, tokensAt(noon))
    expect(headers).toEqual([...plan, name, 'Bearer access-0'])
    expect(consumedAuthorization).toBe(true)
  })

  it('is not there once it has ended, and the client’s own is not let through in its place', async () => {
    const { headers, consumedAuthorization } = await allowed(
      { accessTokenHeader: 'authorization' },
      tokensAt(noon),
      {},
      noon + 300_000,
    )
    expect(headers).toBe(plan)
    expect(consumedAuthorization).toBe(true)
  })

  it('goes to no portal that names no header, and is none of a session without tokens', async () => {
    expect((await allowed({}, tokensAt(noon))).headers).toBe(plan)
    expect((await allowed({ accessTokenHeader: 'x-token' }, undefined)).headers).toBe(plan)
  })

  it('does not go to public pages, where the client’s own does not either', async () => {
    const { headers, consumedAuthorization } = await allowed({ accessTokenHeader: 'authorization' }, tokensAt(noon), {
      access: 'public',
    })
    expect(headers).toEqual([])
    expect(consumedAuthorization).toBe(true)
  })

  it.each(['a\r\nx-evil: 1', 'a b', 'a\u0000', 'ä', ''])('that is none in a header is left out: %j', async (access) => {
    const { headers } = await allowed({ accessTokenHeader: 'x-token' }, tokensAt(noon, { access }))
    expect(headers).toBe(plan)
  })

  it('is written as one plan for as long as it is the same, which upstream takes', async () => {
    const tokens = tokensAt(noon)
    const [one, two] = [
      await allowed({ accessTokenHeader: 'x-token' }, tokens),
      await allowed({ accessTokenHeader: 'x-token' }, tokens),
    ]
    expect(one.headers).toBe(two.headers)
    expect(isWritablePlan(one.headers)).toBe(true)
    const other = await allowed({ accessTokenHeader: 'x-other' }, tokens)
    expect(other.headers).toContain('x-other')
  })
})
