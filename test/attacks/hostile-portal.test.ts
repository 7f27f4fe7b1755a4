// A portal, or whoever can make it reflect a text, must not hold everybody else up: Node's own check of a 103 Link backtracks
// exponentially, and a pattern with blanks on both sides is cubic. These would run for hours.
import { describe, expect, it } from 'vitest'
import type { Allow, RequestView } from '../../src/types.ts'
import { linksOf } from '../../src/upstream/early-hints.ts'
import { readAddress } from '../../src/upstream/portal-address.ts'
import { mendResponseHeaders } from '../../src/upstream/response-headers.ts'

const portal = { origin: 'https://home.company.com', upstream: new URL('http://10.0.0.7:8081'), preserveHost: true }
const mend = (...raw: string[]) =>
  mendResponseHeaders(raw, {
    allow: { cookies: ['postern-home=new'], portal } as unknown as Allow,
    request: { host: 'home.company.com' } as RequestView,
    address: readAddress(portal as never),
    cookiePrefixes: ['postern-'],
    keepsTrailer: false,
  })

describe('the links of an early hint', () => {
  it('pass where they are plain', () => {
    expect(linksOf(['Link', '</a.css>; rel=preload; as=style, </b.js>; rel="preload"'])).toEqual([
      '</a.css>; rel=preload; as=style',
      '</b.js>; rel="preload"',
    ])
  })
  it('are left out where they are anything else, however long', () => {
    expect(linksOf(['Link', `<a>${';a======'.repeat(2000)}"`])).toEqual([])
    expect(linksOf(['Link', `<${'a'.repeat(100_000)}>; rel=x`])).toEqual([])
    expect(linksOf(['Link', '</a>; rel=x\r\nSet-Cookie: a=b'])).toEqual([])
  })
})

describe('an answer made to be slow', () => {
  it.each([
    ['Set-Cookie', `a=b; domain=${' '.repeat(60_000)}"x"y`],
    ['Set-Cookie', `a=b${'; domain ='.repeat(6000)}`],
    ['Refresh', `${'\u00a0'.repeat(60_000)}x`],
    ['Refresh', `${'0 '.repeat(30_000)};`],
    ['Location', `http://10.0.0.7:8081/${'/'.repeat(60_000)}`],
    ['Cache-Control', `${'"'.repeat(30_001)}${' '.repeat(30_000)}public`],
  ])('%s is passed on in no time', (name, value) => expect(mend(name, value)?.[0]).toBe(name))
})

describe('a cookie of ours on an answer', () => {
  it.each([
    [['Cache-Control', 'public, max-age=60']],
    [['Cache-Control', 'max-age=60', 'CDN-Cache-Control', 'max-age=60']],
    [['Surrogate-Control', 'max-age=60']],
  ])('is withheld where a cache may store it: %j', (raw) => expect(JSON.stringify(mend(...raw))).not.toContain('postern-home'))
  it.each([
    [['Connection', 'cache-control', 'Cache-Control', 'no-store']],
    [['Cache-Control', 'x="a, private, b", max-age=9']],
    [['Expires', 'Thu, 01 Jan 2099 00:00:00 GMT']],
  ])('makes it private: %j', (raw) => {
    const mended = mend(...raw) ?? []
    expect(mended.join('|')).toContain('Set-Cookie|postern-home=new|Cache-Control|private')
  })
  it('cannot be planted by the portal, not even without a name', () => {
    expect(JSON.stringify(mend('Set-Cookie', '=postern-home=evil', 'Set-Cookie', ' postern-home=evil'))).not.toContain('evil')
  })
})
