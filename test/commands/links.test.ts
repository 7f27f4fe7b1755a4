// `postern links`, against a real admin listener.
import { describe, expect, it, onTestFinished } from 'vitest'
import { type LinksOptions, listLinks, removeLinks } from '../../src/commands/links.ts'
import type { Config } from '../../src/config/schema.ts'
import { createAdmin } from '../../src/connection/admin.ts'
import { listenForMachines } from '../../src/connection/listen.ts'
import { createAccountLinks } from '../../src/identity/accounts/account-links.ts'
import { createMemoryState } from '../../src/state/memory.ts'
import { identityOf, noon, TestLog } from '../identity/harness.ts'

const token = 'an-admin-token-of-some-length'

async function running({ keepsLinks = true } = {}) {
  const clock = () => noon
  const store = createMemoryState({ clock })
  const links = createAccountLinks({ store, log: new TestLog(), clock })
  const admin = createAdmin({
    token,
    generation: () => 1,
    portals: () => new Map(),
    providers: () => [],
    problems: () => [],
    explaining: { ask: async () => Promise.reject(new Error('not asked')), refusal: async () => undefined, recent: () => [] },
    ...(keepsLinks ? { links: () => links } : {}),
  })
  const listening = await listenForMachines({ host: '127.0.0.1', port: 0 }, admin)
  onTestFinished(async () => {
    const stopped = listening.stopAccepting()
    listening.destroy()
    await stopped
  })
  const port = Number(listening.address.split(':').at(-1))
  const lines: string[] = []
  const errors: string[] = []
  const print = [(line: string) => void lines.push(line), (line: string) => void errors.push(line)] as const
  const config = (adminToken = token) => ({ server: { admin: { host: '0.0.0.0', port }, adminToken } }) as unknown as Config
  return {
    url: `http://${listening.address}`,
    store,
    lines,
    errors,
    signIn: (subject: string, email = `${subject}@company.com`) =>
      links.resolve(identityOf(subject, { account: email, email, claims: { email_verified: true } }), 'PLAY'),
    list: (options: Partial<LinksOptions> = {}, withToken = token) =>
      listLinks(config(withToken), { json: false, ...options }, ...print),
    remove: (...ids: readonly string[]) => removeLinks(config(), ids, ...print),
  }
}

const authorized = { headers: { authorization: `Bearer ${token}` } }

describe('links list', () => {
  it('prints one line for each, with what names the person at the provider', async () => {
    const postern = await running()
    await postern.signIn('anna')
    await postern.signIn('ben')
    expect(await postern.list()).toBe(0)
    expect(postern.lines.length).toBe(2)
    expect(postern.lines.join('\n')).toMatch(
      /[\w-]{43} {2}anna@company\.com {2}PLAY {2}https:\/\/idp\.company\.com anna {2}anna@company\.com {2}2026-11-22T12:00:00\.000Z/,
    )
  })

  it('prints those of one account, also as JSON', async () => {
    const postern = await running()
    await postern.signIn('anna')
    await postern.signIn('b&n?=#', 'b&n+x?=#@company.com')
    expect(await postern.list({ account: 'b&n+x?=#@company.com', json: true })).toBe(0)
    const all = JSON.parse(postern.lines.join('\n')) as object[]
    expect(all).toMatchObject([{ subject: 'b&n?=#' }])
    expect(Object.keys(all[0] ?? {}).sort()).toEqual(['account', 'email', 'id', 'issuer', 'linkedAt', 'provider', 'subject'])
  })

  it('says where there is none', async () => {
    const postern = await running()
    expect(await postern.list({ account: 'nobody' })).toBe(0)
    expect(postern.lines).toEqual([])
    expect(postern.errors).toEqual(['postern: no link for nobody'])
  })

  it('lets nothing that a provider said steer the terminal', async () => {
    const postern = await running()
    await postern.signIn('a\u001b[2J\nfaked line', 'x@company.com')
    await postern.list()
    expect(postern.lines.length).toBe(1)
    expect(postern.lines[0]).toContain('a\\u{1b}[2J\\u{a}faked line')
  })

  it('says what is wrong: a token that is not accepted, no state, a store that is gone, nobody there', async () => {
    const postern = await running()
    expect(await postern.list({}, 'another-token-of-some-length')).toBe(1)
    expect(postern.errors.pop()).toMatch(/does not accept server\.adminToken/)
    const without = await running({ keepsLinks: false })
    expect(await without.list()).toBe(1)
    expect(without.errors.pop()).toMatch(/404: No account links are kept: server\.state is not set/)
    await postern.store.close()
    expect(await postern.list()).toBe(1)
    expect(postern.errors.pop()).toMatch(/503: The state store cannot be reached/)
    const nowhere = { server: { admin: { host: '127.0.0.1', port: 1 } } } as unknown as Config
    const errors: string[] = []
    expect(
      await listLinks(
        nowhere,
        { json: false },
        () => undefined,
        (line) => void errors.push(line),
      ),
    ).toBe(1)
    expect(errors).toEqual([expect.stringMatching(/nothing answers at http:\/\/127\.0\.0\.1:1/)])
  })
})

describe('links remove', () => {
  it('removes each that is there, says which is not, and frees the account', async () => {
    const postern = await running()
    await postern.signIn('anna')
    await postern.signIn('ben')
    const id = postern.lines
    await postern.list({ account: 'anna@company.com' })
    const [anna = ''] = (id[0] ?? '').split(' ')
    expect(await postern.remove('not-there', anna)).toBe(1)
    expect(postern.errors).toEqual(['postern: there is no link not-there'])
    expect(postern.lines.at(-1)).toBe(`removed ${anna}`)
    expect(await postern.signIn('anna-the-second', 'anna@company.com')).toEqual({ kind: 'account', account: 'anna@company.com' })
    expect(await postern.remove('../links')).toBe(1)
  })
})

describe('/links on the admin listener', () => {
  it('wants the token, also to remove', async () => {
    const postern = await running()
    expect((await fetch(`${postern.url}/links`)).status).toBe(401)
    expect((await fetch(`${postern.url}/links/x`, { method: 'DELETE' })).status).toBe(401)
  })

  it('takes no filter it does not know for none', async () => {
    const postern = await running()
    for (const query of ['?acount=x', '?account=a&account=b', '?account=a&provider=PLAY'])
      expect([query, (await fetch(`${postern.url}/links${query}`, authorized)).status]).toEqual([query, 400])
  })

  it('removes no more than one at a time', async () => {
    const postern = await running()
    await postern.signIn('anna')
    for (const path of ['/links', '/links/', '/links?account=anna@company.com'])
      expect((await fetch(postern.url + path, { ...authorized, method: 'DELETE' })).status).toBe(404)
    expect(((await (await fetch(`${postern.url}/links`, authorized)).json()) as { links: [] }).links.length).toBe(1)
  })
})
