import { createRevocations } from '../../../src/identity/sessions/revocations.ts'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import { createSessionKeeper, type KeeperOptions } from '../../../src/identity/sessions/session.ts'
import type { Identity } from '../../../src/types.ts'
import { identityOf, keyA, noon, rulesOf, TestLog } from '../harness.ts'

export const rules = rulesOf('home', { cookieName: 'postern-home', cookieAttributes: 'Path=/; HttpOnly; SameSite=Lax' })
export const keeperOf = (extra: Partial<KeeperOptions> = {}) =>
  createSessionKeeper({
    sealer: createSealer([keyA]),
    claims: [],
    revocations: createRevocations({ log: new TestLog() }),
    ...extra,
  })

/** The Cookie header of a browser that was given these. */
export const headerOf = (cookies: readonly string[]): string => cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ')
export const request = (cookies: string) => ({ cookies })
export const isDeletion = (cookie: string) => cookie.includes('Max-Age=0')
export const big = (length: number, name = 'memberOf'): Identity =>
  identityOf('anna', { claims: { small: 'x', [name]: 'g'.repeat(length) } })
export async function headerFor(identity: Identity, keeper = keeperOf(), at = noon, using = rules): Promise<string> {
  return headerOf((await keeper.open(identity, using, at)).cookies)
}
