import { describe, expect, it } from 'vitest'
import { canonicalAddress, compileRanges, isLoopbackHost, isPrivateAddress, parseRange } from '../src/addresses.ts'
import { cookieNames, cookieValue, withoutCookies } from '../src/cookies.ts'
import { compileNames, fold } from '../src/header-names.ts'

describe('addresses', () => {
  it('have one spelling', () => {
    expect(canonicalAddress('::ffff:10.0.0.1')).toBe('10.0.0.1')
    expect(canonicalAddress('2001:DB8:0::1')).toBe('2001:db8::1')
    expect(canonicalAddress('fe80::1%eth0')).toBe('fe80::1')
  })
  it.each(['012.1.2.3', '10', '10.0.0', '1.2.3.4.5', '0x7f.0.0.1', '', 'localhost', '10.0.0.1 '])('%s is none', (text) =>
    expect(canonicalAddress(text)).toBeUndefined(),
  )
  it('match ranges in either form', () => {
    const inside = compileRanges(['10.0.0.0/8', '2001:db8::/32', '192.0.2.7', '::ffff:172.16.0.0/108'])
    for (const yes of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::9', '192.0.2.7', '172.16.9.9'])
      expect([yes, inside(yes)]).toEqual([yes, true])
    for (const no of ['11.0.0.1', '2001:db9::1', '192.0.2.8', 'x', '', '::10.1.2.3'])
      expect([no, inside(no)]).toEqual([no, false])
  })
  it('an empty list matches nobody', () => expect(compileRanges([])('127.0.0.1')).toBe(false))
  it.each(['10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/', 'x/8', '::/129', '10.0.0.0/ 8'])(
    '%s is no range',
    (text) => {
      expect(parseRange(text)).toBeUndefined()
      expect(() => compileRanges([text])).toThrow(TypeError)
    },
  )
  it('know what is private and what is loopback', () => {
    expect(['10.0.0.1', '172.31.0.1', '192.168.1.1', '127.0.0.1', 'fd00::1', '::ffff:10.0.0.1'].every(isPrivateAddress)).toBe(
      true,
    )
    expect(['8.8.8.8', '172.32.0.1', '2001:db8::1', 'x'].some(isPrivateAddress)).toBe(false)
    expect(['localhost', 'idp.localhost', '127.9.9.9', '[::1]'].every(isLoopbackHost)).toBe(true)
    expect(['localhost.evil.com', 'notlocalhost', '10.0.0.1', ''].some(isLoopbackHost)).toBe(false)
  })
})

describe('header names', () => {
  const kind = compileNames(['X-Email', 'department', 'x-remote_thing'])
  it.each([
    'iv-user',
    'IV-USER',
    'iv_user',
    'iv.user',
    'Iv!User',
    'iv-groups',
    'iv-anything',
    'am-eai-user-id',
    'Remote-User',
    'remote_user',
    'x-remote-groups',
    'Auth-User',
    'X-Forwarded-User',
    'x_forwarded_email',
    'X-Auth-Request-Email',
    'OIDC_CLAIM_sub',
    'oidc-access-token',
    'SSL_CLIENT_S_DN',
    'X-SSL-Client-Cert',
    'X-Forwarded-Client-Cert',
    'x.email',
    'X_EMAIL',
    'Department',
  ])('%s may only come from us', (name) => expect(kind(name)).toBe('identity'))
  it.each([..."!#$%&'*+.^`|~_"])('iv%suser folds to the same variable', (character) =>
    expect(kind(`iv${character}user`)).toBe('identity'),
  )
  it.each(['Connection', 'keep-alive', 'TE', 'Trailer', 'Upgrade', 'Expect', 'Proxy-Connection', 'Proxy-Authorization'])(
    '%s ends at this hop',
    (name) => expect(kind(name)).toBe('hop'),
  )
  it.each(['X-Forwarded-For', 'x_forwarded_proto', 'X-Forwarded.Host', 'X-Request-ID'])('%s is rebuilt', (name) =>
    expect(kind(name)).toBe('rebuilt'),
  )
  it.each(['X-Forwarded-Prefix', 'Forwarded', 'x_forwarded_server', 'X-Real-IP', 'X-Original-Forwarded-For'])(
    '%s is believed from trusted proxies only',
    (name) => expect(kind(name)).toBe('forwarded'),
  )
  it.each(['X-Original-URL', 'X-Rewrite-Url', 'x_original_uri', 'X-Forwarded-Uri', 'Proxy'])(
    '%s would tell another path or proxy',
    (name) => expect(kind(name)).toBe('override'),
  )
  it.each(['Accept', 'Content-Type', 'If-None-Match', 'X-Custom', 'User-Agent', 'Origin', 'divider'])('%s passes', (name) =>
    expect(kind(name)).toBe('pass'),
  )
  it('an alias of a name that frames the request never passes', () => {
    expect(kind('Content_Length')).toBe('identity')
    expect(kind('Transfer.Encoding')).toBe('identity')
    expect(kind('content-length')).toBe('framing')
  })
  it('keeps no more spellings than it should, and still answers', () => {
    const many = compileNames([])
    for (let i = 0; i < 10_000; i++) many(`x-${i}`)
    expect(many('IV_user')).toBe('identity')
  })
  it('folds', () => expect(fold('X-Ab.9')).toBe('x_ab_9'))
})

describe('cookies', () => {
  it('are found by their whole name only', () => {
    expect(cookieValue('a=1; postern-home=x; b=2', 'postern-home')).toBe('x')
    expect(cookieValue('xpostern-home=evil; postern-home=x', 'postern-home')).toBe('x')
    expect(cookieValue('postern-homes=evil', 'postern-home')).toBeUndefined()
    expect(cookieValue('a="postern-home=evil"', 'postern-home')).toBeUndefined()
    expect(cookieValue('postern-home=', 'postern-home')).toBe('')
    expect(cookieValue('', 'postern-home')).toBeUndefined()
  })
  it('are listed by prefix, bounded', () => {
    expect(cookieNames('p.f1=a; q=b;p.f2=c', 'p.f', 5)).toEqual(['p.f1', 'p.f2'])
    expect(cookieNames(Array(5000).fill('p.f=a').join(';'), 'p.f', 20)).toHaveLength(20)
  })
  it('of ours are cut out, the others stay byte for byte', () => {
    expect(withoutCookies('a=1; postern-home=x;  b="2;3"', ['postern-'])).toBe('a=1;  b="2;3"')
    expect(withoutCookies('postern-home=x', ['postern-'])).toBe('')
    expect(withoutCookies('a=1; b=2', ['postern-'])).toBe('a=1; b=2')
  })
})
