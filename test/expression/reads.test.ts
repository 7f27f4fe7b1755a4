import fc from 'fast-check'
import jsonata from 'jsonata'
import { describe, expect, it } from 'vitest'
import { compileExpression, joinReads, readsKey, readsOnlyIdentity } from '../../src/expression/compile.ts'
import type { Facts } from '../../src/types.ts'

const readsOf = (source: string) => compileExpression(source, 'rule').reads
const sorted = (names: ReadonlySet<string>) => [...names].sort()

describe('what an expression reads', () => {
  it.each([
    ['hd = "x"', ['hd'], ['hd']],
    ['claims.hd = "x" and account', ['account', 'claims'], ['hd']],
    ['"a" in groups', ['groups'], []],
    ['auth.profile.type = type', ['auth', 'type'], ['type']],
    ['address[country = "de"].city', ['address'], ['address']],
    ['$.hd = $$.email', ['email', 'hd'], ['email', 'hd']],
    ['roles[name = $$.department]', ['department', 'roles'], ['department', 'roles']],
    ['$exists(hd) ? hd : `urn:x`', ['hd', 'urn:x'], ['hd', 'urn:x']],
    ['($a := hd; $f := function($x) { email = $x }; $f($a))', ['email', 'hd'], ['email', 'hd']],
    ['groups.(name & nickname)', ['groups'], []],
    ['{"a": hd}.a', ['hd'], ['hd']],
    ['address{country: city}', ['address'], ['address']],
    ['address^(country)', ['address'], ['address']],
    ['email ~> $uppercase()', ['email'], ['email']],
  ])('of %s', (source, facts, claims) => {
    const reads = readsOf(source)
    expect(reads.everything).toBe(false)
    expect(sorted(reads.facts)).toEqual(facts)
    expect(sorted(reads.claims)).toEqual(claims)
    expect(readsOnlyIdentity(reads)).toBe(true)
  })

  it.each([
    '$',
    '$$',
    '*',
    '**',
    'claims',
    '$keys(claims)',
    '$lookup($, "hd")',
    '$lookup("hd")',
    '$keys()',
    '$string()',
    '$each(function($v) { $v })',
    '$merge([$, {}])',
    'claims.*',
    'claims[hd = "x"].email',
    'claims.(hd)',
    'account.%',
    '$.*',
    '($x := $$; $x.hd)',
    'account@$a.hd',
    '$ ~> |claims|{}|',
    '$sift(function($v) { $v })',
    '$spread()',
    'function($x) { $$ }',
    '$[hd = "x"]',
    '($k := $keys; not ("suspended" in $k()))',
    '($s := $string; $contains($s(), "suspended"))',
    '$map([1], $spread)',
    '(function()<x-:x>{ 1 })()',
  ])('is everything for %s', (source) => {
    const reads = readsOf(source)
    expect(reads.everything).toBe(true)
    expect(readsOnlyIdentity(reads)).toBe(false)
  })

  it.each([
    ['request.path = "/"', ['path']],
    ['request.method = request.host', ['host', 'method']],
    ['request', ['host', 'method', 'path', 'query']],
    ['request.*', ['host', 'method', 'path', 'query']],
    ['$lookup(request, "path")', ['host', 'method', 'path', 'query']],
    ['$$.request.query', ['query']],
  ])('of the request for %s', (source, names) => {
    expect(sorted(readsOf(source).request)).toEqual(names)
    expect(readsOnlyIdentity(readsOf(source))).toBe(false)
  })

  it('names the client address and the time', () => {
    for (const source of ['client_ip', 'is_client_ip_private', '$inCidr(client_ip, "10.0.0.0/8")'])
      expect(readsOf(source).clientAddress).toBe(true)
    for (const source of ['now', '$now()', '$millis()', '$map([1], $millis)', '$toMillis("10", "[H]")', '$$.now']) {
      expect(readsOf(source).time, source).toBe(true)
      expect(readsOnlyIdentity(readsOf(source))).toBe(false)
    }
    expect(readsOf('$toMillis(updated_at) > authenticated_at').time).toBe(false)
  })

  it('is joined', () => {
    const reads = joinReads(['hd', 'request.path', 'client_ip', 'now'].map(readsOf))
    expect([sorted(reads.facts), sorted(reads.claims), sorted(reads.request)]).toEqual([
      ['client_ip', 'hd', 'now', 'request'],
      ['hd'],
      ['path'],
    ])
    expect([reads.everything, reads.clientAddress, reads.time]).toEqual([false, true, true])
    expect(joinReads([readsOf('hd'), readsOf('$')]).everything).toBe(true)
    expect(readsOnlyIdentity(joinReads([]))).toBe(true)
  })
})

describe('the key of a kept verdict', () => {
  const facts: Facts = {
    hd: 'a',
    email: 'b',
    claims: { hd: 'a', email: 'b' },
    request: { method: 'GET', path: '/', query: '', host: 'h' },
    now: 1500,
  }
  const key = (source: string, changes: Facts = {}) => readsKey(readsOf(source), { ...facts, ...changes })

  it('changes with what is read and with nothing else', () => {
    expect(key('hd', { email: 'c', now: 9999 })).toBe(key('hd'))
    expect(key('hd', { hd: 'b' })).not.toBe(key('hd'))
    expect(key('claims.hd', { claims: { hd: 'a', email: 'c' } })).toBe(key('claims.hd'))
    expect(key('claims.hd', { claims: { hd: 'c' } })).not.toBe(key('claims.hd'))
    expect(key('request.path', { request: { method: 'POST', path: '/', query: 'x', host: 'h' } })).toBe(key('request.path'))
    expect(key('request.path', { request: { path: '/a' } })).not.toBe(key('request.path'))
    expect(key('$', { other: 1 })).not.toBe(key('$'))
  })

  it('tells missing from null, and a text from what looks like it', () => {
    const keys = [{}, { x: null }, { x: 'null' }, { x: 1 }, { x: '1' }, { x: [] }, { x: [null] }].map((given) =>
      key('x', given as Facts),
    )
    expect(new Set(keys).size).toBe(keys.length)
    expect(key('a = b', { a: 'x","b":"y' })).not.toBe(key('a = b', { a: 'x', b: 'y' }))
  })

  it('counts time in whole seconds', () => {
    for (const source of ['now > 1', '$millis() > 1', '$']) {
      expect(key(source, { now: 1999 })).toBe(key(source))
      expect(key(source, { now: 2000 })).not.toBe(key(source))
    }
  })
})

describe('an expression on what it reads alone', () => {
  const facts: Facts = {
    a: { b: { c: 1 }, d: [1, 2] },
    b: 'x',
    c: [{ a: 1, b: 'x' }, { a: 2 }],
    d: true,
    claims: { a: 'k', b: [3] },
    groups: ['x', 'y'],
    request: { method: 'GET', path: '/p' },
  }
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'claims', 'groups', 'request', 'path', 'missing')
  const step = fc.oneof(
    { weight: 6, arbitrary: name },
    fc.constantFrom('*', '**', '$', '$$', '%', '(a)', '(b)', '{"a": b}', '$keys($)', '$string()'),
  )
  const path = fc.array(step, { minLength: 1, maxLength: 3 }).map((steps) => steps.join('.'))
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      path,
      fc.tuple(path, tie('expression')).map(([of, filter]) => `${of}[${filter}]`),
      fc
        .tuple(tie('expression'), fc.constantFrom('=', '!=', 'in', '&'), tie('expression'))
        .map(([a, by, b]) => `(${a} ${by} ${b})`),
      fc.tuple(tie('expression'), tie('expression'), tie('expression')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
      fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `($v := ${a}; $f := function($x) { ${b} }; $f($v))`),
      fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `$map(${a}, function($x) { ${b} })`),
      fc.tuple(path, tie('expression')).map(([a, b]) => `${a}.(${b})`),
      fc.tuple(path, tie('expression')).map(([a, b]) => `${a}@$w.(${b})`),
      fc.tuple(path, tie('expression')).map(([a, b]) => `${a}{"k": ${b}}`),
      fc.tuple(path, tie('expression')).map(([a, b]) => `${a}^(${b})`),
      tie('expression').map((a) => `$count(${a})`),
      tie('expression').map((a) => `[${a}]`),
    ),
  }))
  const plain = (value: unknown): unknown => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)))

  it('gives what it gives on all facts', async () => {
    let compared = 0
    await fc.assert(
      fc.asyncProperty(expression, async (source) => {
        const whole = await Promise.resolve()
          .then(() => jsonata(source).evaluate(structuredClone(facts)))
          .catch(() => 'failed')
        fc.pre(whole !== 'failed' && typeof whole !== 'function')
        const ours = await compileExpression(source, 'value').evaluate(facts)
        expect(plain(ours), source).toEqual(plain(whole))
        compared++
      }),
      { numRuns: 1500 },
    )
    expect(compared).toBeGreaterThan(1000)
  })
})
