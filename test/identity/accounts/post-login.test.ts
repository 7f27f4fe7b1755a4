// What is asked about somebody who has just signed in, and what becomes of the answer.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { PosternError } from '../../../src/errors.ts'
import { factsOf } from '../../../src/facts.ts'
import { createOutboundCall } from '../../../src/identity/accounts/outbound-call.ts'
import { compilePostLogin, type PostLoginOptions } from '../../../src/identity/accounts/post-login.ts'
import type { Identity } from '../../../src/types.ts'
import { type Service, startService } from '../../support/service.ts'
import { identityOf, noon, requestOf, TestLog } from '../harness.ts'

let service: Service
const log = new TestLog()
beforeAll(async () => {
  service = await startService()
})
beforeEach(() => {
  service.answer = () => ({ body: { role: 'operator', mail: 'anna@company.com' } })
})
afterAll(() => service.close())

const facts = (identity: Identity) => factsOf(identity, requestOf(), 'home', noon)
const token = 'access-t0ken-of-anna'
async function learn(
  options: Partial<PostLoginOptions> & { headers?: Record<string, string>; url?: string },
  who = identityOf('anna'),
) {
  const { headers = { authorization: 'Bearer {token.access}' }, url = `${service.url}/people/{sub}`, ...rest } = options
  const call = createOutboundCall({ url, method: 'GET', headers })
  const action = compilePostLogin(
    { name: 'look-up', call, set: { role: 'answer.role' }, onError: 'deny', timeout: 5000, ...rest },
    log,
  )
  try {
    return await action.run(who, facts, token)
  } finally {
    await call.close()
  }
}
const reasonOf = (learning: Promise<unknown>) =>
  learning.then(
    () => 'in',
    (error: PosternError) => error.reason,
  )

describe('a post-login action', () => {
  it("asks with the person's token and adds what it is told to the facts", async () => {
    const person = await learn({ set: { role: 'answer.role', is_known: 'status = 200 and answer.mail = account' } })
    expect(service.asked.at(-1)).toMatchObject({ target: '/people/anna', headers: { authorization: `Bearer ${token}` } })
    expect(facts(person)).toMatchObject({ role: 'operator', is_known: true })
    expect(person.claims).toEqual(identityOf('anna').claims)
  })

  it('knows the token in the call only', async () => {
    const person = await learn({ set: { stolen: 'token.access', all: '$string($$)' } })
    expect(JSON.stringify([person, facts(person)])).not.toContain(token)
  })

  it('keeps no token that the service repeats', async () => {
    service.answer = ({ headers }) => ({ body: { role: headers } })
    expect(await reasonOf(learn({}))).toBe('post-login-failed')
    expect(await learn({ onError: 'continue' }).then((person) => facts(person)['role'])).toBeUndefined()
  })

  it('lays what it learnt over a claim, and never over a name of our own', async () => {
    const anna = identityOf('anna', { claims: { sub: 'anna', role: 'admin' } })
    const person = await learn({ set: { role: 'answer.role', account: '"root"', groups: '["admins"]' } }, anna)
    expect(facts(person)).toMatchObject({ role: 'operator', account: 'anna@company.com', groups: ['staff'] })
    expect(facts(person)['claims']).toMatchObject({ role: 'admin' })
  })

  it.each([
    ['nothing', { body: {} }],
    ['null', { body: { role: null } }],
    ['an empty answer', { status: 204, body: '' }],
  ])('lets no claim stand in where the service says %s', async (_, reply) => {
    service.answer = () => reply
    const anna = identityOf('anna', { claims: { sub: 'anna', role: 'admin', answer: { role: 'admin' } } })
    expect('role' in facts(await learn({}, anna))).toBe(false)
  })

  it.each([
    [403, 'post-login-refused'],
    [404, 'post-login-refused'],
    [410, 'post-login-refused'],
    [400, 'post-login-failed'],
    [401, 'post-login-failed'],
    [429, 'post-login-failed'],
    [302, 'post-login-failed'],
    [500, 'post-login-failed'],
  ])('lets nobody in where the service answers %i: %s', async (status, reason) => {
    service.answer = () => ({ status, body: { role: 'operator' }, headers: { location: '/' } })
    expect(await reasonOf(learn({}))).toBe(reason)
  })

  it('leaves a 404 to whoever reads the status, and not a 503', async () => {
    const set = { is_known: 'status = 200' }
    service.answer = () => ({ status: 404 })
    expect(facts(await learn({ set }))).toMatchObject({ is_known: false })
    service.answer = () => ({ status: 503 })
    expect(await reasonOf(learn({ set }))).toBe('post-login-failed')
  })

  it.each(['nothing', 'break'] as const)('lets nobody in where the answer is: %s', async (reply) => {
    service.answer = () => reply
    expect(await reasonOf(learn({ timeout: 50 }))).toBe('post-login-failed')
  })

  it('lets nobody in where its expression fails', async () => {
    expect(await reasonOf(learn({ set: { role: 'answer.role + 1' } }))).toBe('post-login-failed')
  })

  it('goes on without what it would have set, claims of that name included, and says so', async () => {
    service.answer = () => ({ status: 500 })
    log.servers.length = 0
    const anna = identityOf('anna', { claims: { sub: 'anna', role: 'admin' } })
    const person = await learn({ onError: 'continue' }, anna)
    expect('role' in facts(person)).toBe(false)
    expect(log.servers).toEqual(['post-login action look-up failed, the sign-in goes on without it'])
  })

  it('says place and cause to the log, and no value', async () => {
    service.answer = () => ({ status: 500, body: 'secret answer' })
    const error = await learn({ url: `${service.url}/people/{sub}?key=s3cret` }).catch((thrown: PosternError) => thrown)
    expect((error as PosternError).detail).toBe(`post-login action look-up: ${service.url} answered 500`)
  })
})
