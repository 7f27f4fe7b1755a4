// `/sessions` of the admin listener, over real HTTP.
import { describe, expect, it, onTestFinished } from 'vitest'
import { createAdmin } from '../../src/connection/admin.ts'
import type { AskedSessions, Sessions } from '../../src/connection/admin-sessions.ts'
import { listenForMachines } from '../../src/connection/listen.ts'
import { PosternError } from '../../src/errors.ts'

const token = 'an-admin-token-of-some-length'
const id = 'abcdefghijklmnopqrstuvwx'

async function running(extra: Partial<Sessions> = {}) {
  const revoked: AskedSessions[] = []
  const listed: AskedSessions[] = []
  const sessions: Sessions = {
    list: async (asked) => {
      listed.push(asked)
      return { sessions: asked.id === undefined || asked.id === id ? [{ id }] : [], complete: true }
    },
    revoke: async (asked) => {
      revoked.push(asked)
      return { everywhere: true }
    },
    knows: (kind, name) => name === (kind === 'portal' ? 'home' : 'PLAY'),
    isComplete: true,
    ...extra,
  }
  const admin = createAdmin({
    token,
    generation: () => 1,
    portals: () => new Map(),
    providers: () => [],
    problems: () => [],
    explaining: { ask: async () => Promise.reject(new Error('not asked')), refusal: async () => undefined, recent: () => [] },
    sessions: () => sessions,
  })
  const listening = await listenForMachines({ host: '127.0.0.1', port: 0 }, admin)
  onTestFinished(async () => {
    const stopped = listening.stopAccepting()
    listening.destroy()
    await stopped
  })
  const ask = async (method: string, path: string, authorization = `Bearer ${token}`) => {
    const answer = await fetch(`http://${listening.address}${path}`, { method, headers: { authorization } })
    return { status: answer.status, body: (await answer.json()) as { title?: string } }
  }
  return { ask, revoked, listed }
}
const unavailable = async () => Promise.reject(new PosternError('store-unavailable', 'gone'))

describe('/sessions on the admin listener', () => {
  it('wants the token, to see and to revoke', async () => {
    const { ask, revoked, listed } = await running()
    for (const [method, path] of [
      ['GET', '/sessions'],
      ['DELETE', '/sessions?account=a'],
      ['GET', `/sessions/${id}`],
      ['DELETE', `/sessions/${id}`],
    ] as const)
      expect((await ask(method, path, 'Bearer another')).status).toBe(401)
    expect([...revoked, ...listed]).toEqual([])
  })

  it('lists, narrowed by all that is asked', async () => {
    const { ask, listed } = await running()
    expect(await ask('GET', '/sessions')).toEqual({ status: 200, body: { sessions: [{ id }], complete: true } })
    await ask('GET', '/sessions?account=b%26n%2Bx%40company.com&provider=PLAY&portal=home&issuer=https%3A%2F%2Fi&subject=s')
    expect(listed).toEqual([
      {},
      { account: 'b&n+x@company.com', provider: 'PLAY', portal: 'home', person: { issuer: 'https://i', subject: 's' } },
    ])
  })

  it('revokes what is named, and says how far that reaches', async () => {
    const { ask, revoked } = await running({})
    expect(await ask('DELETE', '/sessions?account=anna')).toEqual({ status: 200, body: { revoked: true, everywhere: true } })
    expect(await ask('DELETE', `/sessions/${id}`)).toEqual({ status: 200, body: { revoked: true, everywhere: true } })
    expect(revoked).toEqual([{ account: 'anna' }, { id }])
    const alone = await running({ revoke: async () => ({ everywhere: false }) })
    expect((await alone.ask('DELETE', '/sessions?portal=home')).body).toEqual({ revoked: true, everywhere: false })
  })

  it.each([
    '',
    '?acount=anna',
    '?account=a&account=b',
    '?account=',
    '?account=a&provider=',
    '?account=a&all=true',
    '?portal=hone',
    '?provider=PLAI',
    '?subject=anna',
    '?issuer=https%3A%2F%2Fi',
    '?person=anna',
  ])('revokes nobody for DELETE /sessions%s', async (query) => {
    const { ask, revoked } = await running()
    const { status, body } = await ask('DELETE', `/sessions${query}`)
    expect([status, typeof body.title]).toEqual([400, 'string'])
    expect((await ask('DELETE', `/sessions/${query}`)).status).toBe(400)
    expect(revoked).toEqual([])
    if (query !== '') expect((await ask('GET', `/sessions${query}`)).status).toBe(400)
  })

  it('shows one, and knows no other', async () => {
    const { ask, revoked } = await running()
    expect(await ask('GET', `/sessions/${id}`)).toEqual({ status: 200, body: { id } })
    for (const path of [`/sessions/${id}x`, '/sessions/..%2fconfig', `/sessions/${id}?account=a`])
      expect((await ask('GET', path)).status).toBe(404)
    expect((await ask('DELETE', `/sessions/${id}x`)).status).toBe(404)
    expect((await ask('DELETE', `/sessions/${id}?account=a`)).status).toBe(400)
    expect(revoked).toEqual([])
  })

  it('revokes one that it has never seen, where it cannot know of all', async () => {
    const { ask, revoked } = await running({ isComplete: false })
    expect((await ask('DELETE', `/sessions/${id}x`)).status).toBe(200)
    expect((await ask('DELETE', '/sessions/a%20b')).status).toBe(404)
    expect(revoked).toEqual([{ id: `${id}x` }])
  })

  it('says 503 where it is not sure to hold everywhere, or nobody can be asked', async () => {
    const { ask } = await running({ revoke: unavailable })
    const { status, body } = await ask('DELETE', '/sessions?account=a')
    expect([status, body.title]).toEqual([503, expect.stringContaining('Revoked here')])
    expect((await ask('DELETE', `/sessions/${id}`)).body.title).toContain('Revoked here')
    const gone = await running({ list: unavailable })
    const list = await gone.ask('GET', '/sessions')
    expect([list.status, list.body.title]).toEqual([503, 'The session store cannot be reached'])
  })
})
