import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileAdmit, compileJudge, type JudgeParts } from '../../src/config/compile-judge.ts'
import { compileExpression } from '../../src/expression/compile.ts'
import { factsOf } from '../../src/facts.ts'
import type { Rule } from '../../src/permission/permit.ts'
import { compileHeaderPlan } from '../../src/rewrite/plan-headers.ts'
import type { Identity, Json, RequestView } from '../../src/types.ts'

const rule = (source: string): Rule => ({ name: source, expression: compileExpression(source, 'rule') })

const somebody = (given: Partial<Identity> = {}): Identity => ({
  provider: 'P',
  issuer: 'https://idp.company.com',
  subject: 's',
  account: 'ann',
  groups: ['staff'],
  claims: { hd: 'company.com' },
  authenticatedAt: 0,
  ...given,
})

const request = (given: Partial<RequestView> = {}): RequestView => ({
  id: '',
  method: 'GET',
  host: 'home.company.com',
  path: '/',
  query: '',
  cookies: '',
  lines: () => [],
  peer: { address: '127.0.0.1', isTrustedProxy: false, certificateNames: [] },
  clientAddress: '10.1.2.3',
  navigation: true,
  ...given,
})

function judgeOf(
  sources: readonly string[],
  headers: Readonly<Record<string, string>> = {},
  mode: JudgeParts['mode'] = 'enforce',
) {
  const asked: string[] = []
  const parts: JudgeParts = {
    portal: 'home',
    mode,
    providerRules: new Map([['P', []]]),
    rules: sources.map(rule),
    headers: compileHeaderPlan(headers, 'utf8_uri'),
    onRule: (name, result) => asked.push(`${name}: ${result}`),
    seenBy: (seen) => seen,
  }
  return { judge: compileJudge(parts), admit: compileAdmit(parts), asked }
}

describe('a rule', () => {
  it('on the person alone is asked once, whatever they open', async () => {
    const { judge, asked } = judgeOf(['hd = "company.com"', '"staff" in groups'])
    const person = somebody()
    for (const path of ['/', '/a', '/b'])
      expect(await judge(person, request({ path }), 1)).toMatchObject({ verdict: { allowed: true } })
    expect(asked).toHaveLength(2)
  })

  it('on the person alone is asked once beside one that reads the request', async () => {
    const { judge, asked } = judgeOf(['hd = "company.com"', 'request.path = "/a"', 'request.method in ["GET", "POST"]'])
    const person = somebody()
    for (const path of ['/a', '/b', '/a', '/c']) {
      for (const method of ['GET', 'POST']) {
        const { verdict } = await judge(person, request({ path, method }), 1)
        expect(verdict.allowed).toBe(path === '/a')
      }
    }
    const times = (start: string) => asked.filter((line) => line.startsWith(start)).length
    expect([times('hd'), times('request.path'), times('request.method')]).toEqual([1, 3, 2])
  })

  it('on the time is asked again after a second', async () => {
    const { judge, asked } = judgeOf(['now < 5000', 'request.path = "/"'])
    const person = somebody()
    expect((await judge(person, request(), 4500)).verdict.allowed).toBe(true)
    expect((await judge(person, request(), 5499)).verdict.allowed).toBe(true)
    expect((await judge(person, request(), 5500)).verdict.allowed).toBe(false)
    expect(asked.filter((line) => line.startsWith('now'))).toEqual(['now < 5000: allow', 'now < 5000: refuse'])
  })

  it('that failed is asked again', async () => {
    const { judge, asked } = judgeOf(['not missing'])
    const person = somebody()
    for (const path of ['/', '/']) expect((await judge(person, request({ path }), 1)).verdict.reason).toBe('rule-failed')
    expect(asked).toEqual(['not missing: error', 'not missing: error'])
  })

  it('says of one person nothing about another', async () => {
    const { judge } = judgeOf(['account = "ann"', 'request.path = "/"'])
    expect((await judge(somebody(), request(), 1)).verdict.allowed).toBe(true)
    expect((await judge(somebody({ account: 'bob' }), request(), 1)).verdict.allowed).toBe(false)
  })

  it('takes no input for another that looks alike', async () => {
    const { judge } = judgeOf(['request.path = "/a" and request.query != "y"'])
    const person = somebody()
    expect((await judge(person, request({ path: '/a\n', query: 'x' }), 1)).verdict.allowed).toBe(false)
    expect((await judge(person, request({ path: '/a', query: '\nx' }), 1)).verdict.allowed).toBe(true)
  })

  it('of a person who opens more than is kept is still right', async () => {
    const { judge } = judgeOf(['$number($substring(request.path, 1)) < 50'])
    const person = somebody()
    for (const round of [1, 2]) {
      for (let index = 0; index < 200; index++) {
        const { verdict } = await judge(person, request({ path: `/${index}` }), round)
        expect(verdict.allowed).toBe(index < 50)
      }
    }
  })
})

describe('a warm judgement', () => {
  it.each([
    ['nothing', []],
    ['the person', ['hd = "company.com"']],
    ['the request', ['request.path = "/"', 'is_client_ip_private', 'request.query = ""']],
  ] as const)('waits for nothing where rules read %s', async (_, sources) => {
    const { judge } = judgeOf([...sources], { 'iv-user': 'account' })
    const person = somebody()
    const first = await judge(person, request(), 1)
    expect(judge(person, request(), 2)).toBe(first)
  })

  it('makes no facts', async () => {
    const { judge } = judgeOf(['request.path = "/"', 'is_client_ip_private'])
    let reads = 0
    const person = Object.defineProperty(somebody(), 'claims', { get: () => ({ read: ++reads }) })
    await judge(person, request(), 1)
    const before = reads
    await judge(person, request(), 2)
    expect(reads).toBe(before)
  })
})

describe('headers', () => {
  it('are made once where they read the person alone, for whatever the rules read', async () => {
    const { judge } = judgeOf(['request.method = "GET"'], { 'iv-user': 'account' })
    const person = somebody()
    const [a, b] = [await judge(person, request({ path: '/a' }), 1), await judge(person, request({ path: '/b' }), 1)]
    expect(a.headers).toEqual(['iv-user', 'ann'])
    expect(b.headers).toBe(a.headers)
  })

  it('are given with a refusal where the portal only warns, and not at all where it refuses', async () => {
    expect(await judgeOf(['false'], { 'iv-user': 'account' }, 'warn').judge(somebody(), request(), 1)).toEqual({
      verdict: { allowed: false, reason: 'rule-refused', rule: 'false' },
      headers: ['iv-user', 'ann'],
    })
    expect(await judgeOf(['false'], { 'iv-user': 'account' }).judge(somebody(), request(), 1)).not.toHaveProperty('headers')
  })
})

describe('whoever asks for whatever', () => {
  const sources = [
    'hd = "company.com"',
    'hd',
    'email_verified and hd',
    'not email_verified',
    'request.path = "/a"',
    'request.method = "GET" or "staff" in groups',
    'is_client_ip_private',
    '$inCidr(client_ip, "10.0.0.0/8")',
    'claims.*',
    'now < 3000',
    'request.query = "x=1" ? hd : true',
    'acr != "0"',
  ]
  const odd = fc.oneof(
    { arbitrary: fc.constantFrom<Json>(true, false, 'true', 1, null, [true], 'company.com', { true: true }), weight: 3 },
    { arbitrary: fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<Json>, weight: 1 },
  )
  const people = fc.array(
    fc
      .record({
        claims: fc.record(
          { hd: odd, email_verified: odd, is_client_ip_private: odd, request: odd, groups: odd },
          { requiredKeys: [] },
        ),
        groups: fc.subarray(['staff', 'admins']),
        assurance: fc.constantFrom('0', '1'),
      })
      .map((given) => somebody(given as Partial<Identity>)),
    { minLength: 1, maxLength: 2 },
  )
  const requests = fc.array(
    fc.record({
      method: fc.constantFrom('GET', 'POST'),
      path: fc.constantFrom('/a', '/b', '/a\n2 x'),
      query: fc.constantFrom('', '?x=1', '?'),
      clientAddress: fc.constantFrom('10.1.2.3', '203.0.113.7', '::ffff:10.1.2.3', null),
    }),
    { minLength: 1, maxLength: 8 },
  )

  it('nobody gets in whom one of the rules does not give exactly true, kept or not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.subarray(sources, { minLength: 1, maxLength: 4 }), people, requests, async (chosen, all, visits) => {
        const { judge, admit } = judgeOf(chosen, { 'iv-user': 'account', 'x-path': 'request.path' })
        for (const [index, given] of [...visits, ...visits].entries()) {
          const [person, visit, now] = [all[index % all.length] as Identity, request(given), index * 700]
          const { verdict, headers } = await judge(person, visit, now)
          const facts = factsOf(person, visit, 'home', now)
          const values = await Promise.all(
            chosen.map((source) =>
              rule(source)
                .expression.evaluate(facts)
                .catch(() => 'failed'),
            ),
          )
          const isTrue = values.every((value) => value === true)
          const isTimed = chosen.includes('now < 3000')
          if (!isTimed) expect(verdict.allowed, chosen.join()).toBe(isTrue)
          else if (now > 4000) expect(verdict.allowed && !isTrue, chosen.join()).toBe(false)
          expect(headers !== undefined).toBe(verdict.allowed)
          if (headers) expect(headers.at(-1)).toBe(headers.length === 4 ? visit.path.replace('\n2 x', '%0A2%20x') : 'ann')
          expect((await admit(person, visit, now)).allowed).toBe(isTrue)
        }
      }),
      { numRuns: 150 },
    )
  })
})
