// Open redirects: every one of these shipped in an authentication proxy. CVE-2017-1000070, CVE-2019-3877, CVE-2019-13038,
// CVE-2020-5233, CVE-2020-11053, CVE-2020-4037, CVE-2021-21291, CVE-2021-32786, CVE-2021-29456, CVE-2026-83589.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ReturnPlace, returnAddress } from '../../../src/identity/signing-in/return-address.ts'

const home: ReturnPlace = { origin: 'https://home.company.com', path: '/', pathCase: 'sensitive', compat: 'none' }
const of = (text: string | null | undefined, place = home) => returnAddress(text, place, '/_postern')

const refused = [
  '', ' ', 'x', 'evil.com', '?x', '#x', '.', '..', '~',
  // another origin
  'https://evil.com', 'https://evil.com/', 'http://home.company.com/', 'https://home.company.com:444/', 'https://home.company.com',
  'https://home.company.com.evil.com/', 'https://home.company.comevil.com/', 'https://evil-home.company.com/', 'https://home.company.com@evil.com/',
  'https://anna@home.company.com/', 'https://home.company.com\\.evil.com/', 'https:evil.com', 'https:/evil.com', 'https:///evil.com',
  'http:\\\\evil.com', 'https:%5c%5cevil.com', 'https:%2f%2fevil.com', 'HTTPS://EVIL.COM', '\u0001https://evil.com', ' https://evil.com', '\thttps://evil.com',
  'javascript:alert(1)', 'java\tscript:alert(1)', 'data:text/html,x', 'mailto:a@b', 'ftp://evil.com', 'file:///etc/passwd', 'blob:https://evil.com/x',
  // a host hidden in a path
  '//evil.com', '///evil.com', '////evil.com', '//evil.com/%2f..', '//\\evil.com', '/\\evil.com', '/\\/evil.com', '\\/evil.com', '\\\\evil.com', '\\evil.com',
  '/\\\\evil.com', '/\t/evil.com', '/\n/evil.com', '/\r/evil.com', '/\r\n/evil.com', '/\u000b/evil.com', '/\u000c/evil.com', '/ /evil.com', '/\u00a0/evil.com',
  '/\u2028/evil.com', '/ \\evil.com', '/\t\\evil.com', '/\n\n/evil.com', '/\t//evil.com', '//\t/evil.com', '\t//evil.com', '/\u0000/evil.com', '/\u0085/evil.com',
  '/./\\evil.com', '/.//evil.com', '/..//evil.com', '/../\\evil.com', '/x/..//evil.com', '/x/../\\evil.com', '/x/%2e%2e//evil.com', '/%2e//evil.com',
  '/.%2e//evil.com', '/x/y/../..//evil.com', '//home.company.com@evil.com/', '//evil.com@home.company.com/', '//evil%E3%80%82com', '//[::1]/', '//127.0.0.1',
  // the same, encoded once or more
  '/%2fevil.com', '/%2Fevil.com', '/%5cevil.com', '/%5Cevil.com', '/%5c%5cevil.com', '%2f%2fevil.com', '%5cevil.com', '/%2f%2fevil.com', '/%09/evil.com', '/%09%2fevil.com',
  '/%0a/evil.com', '/%0d%0a/evil.com', '/%20/evil.com', '/%0b/evil.com', '/%00/evil.com', '/%252fevil.com', '/%255cevil.com', '/%25252fevil.com', '/%2509/evil.com',
  '/%25%32%66evil.com', '/.%2fevil.com', '/..%2fevil.com', '/%2e%2fevil.com', '/%2e%2e%2fevil.com', '/x/..%2f%2fevil.com', '/x%2f..%2f%2fevil.com', '/x/..%5cevil.com',
  '/%25252525252fevil.com', '/%/%2e%2e/%2fevil.com', '/%2f%25', '/a%0d%0aSet-Cookie:x=y', '/a\r\nSet-Cookie: x=y', '/a?b=\r\nc', '/a#\n', '/x\\y', '/x%5cy',
  // our own endpoints
  '/_postern', '/_postern/', '/_postern/logout', '/_POSTERN/logout', '/%5fpostern/logout', '/%255fpostern/logout', '/x/../_postern/logout', '/_postern?x', '/_postern/start/PLAY?return=/',
  'https://home.company.com/_postern/logout', '/./_postern/callback/PLAY',
] // biome-ignore format: a table

const kept: readonly (readonly [given: string, becomes: string])[] = [
  ['/', '/'],
  ['/a/b?c=d&e=f', '/a/b?c=d&e=f'],
  ['/a?b=c#d', '/a?b=c#d'],
  ['/#/inbox', '/#/inbox'],
  ['/a?u=https://evil.com//x', '/a?u=https://evil.com//x'],
  ['/a?u=%2f%2fevil.com%5c', '/a?u=%2f%2fevil.com%5c'],
  ['/a?b=\\', '/a?b=\\'],
  ['/a//b', '/a//b'],
  ['/a%2F%2Fb', '/a%2F%2Fb'],
  ['/@evil.com', '/@evil.com'],
  ['/evil.com', '/evil.com'],
  ['/:80', '/:80'],
  ['/100%25/report', '/100%25/report'],
  ['/Jürgen M', '/J%C3%BCrgen%20M'],
  ['/J%C3%BCrgen%20M?q=%C3%A4', '/J%C3%BCrgen%20M?q=%C3%A4'],
  ['/a/../b', '/b'],
  ['/_posternx', '/_posternx'],
  ['/x/_postern', '/x/_postern'],
  ['https://home.company.com/a?b', '/a?b'],
]

describe('the way back', () => {
  it.each(refused.map((text) => [text]))('%j leads to the front page', (text) => {
    expect(of(text)).toBe('/')
  })

  it.each(kept)('%j becomes %j', (given, becomes) => {
    expect(of(given)).toBe(becomes)
  })

  it('nothing leads to the front page', () => {
    expect([of(null), of(undefined)]).toEqual(['/', '/'])
  })

  it('is at most 2000 characters: then without its query, then the front page', () => {
    expect(of(`/a?${'x'.repeat(1997)}`)).toHaveLength(2000)
    expect(of(`/a?${'x'.repeat(1998)}`)).toBe('/a')
    expect(of(`/${'x'.repeat(1999)}?y`)).toHaveLength(2000)
    expect(of(`/${'x'.repeat(2000)}`)).toBe('/')
    expect(of(`/${'ü'.repeat(1000)}`)).toBe('/')
    expect(of(`/${'x'.repeat(1_000_000)}`)).toBe('/')
  })

  it('stays below the path that the portal owns', () => {
    const place = { ...home, path: '/a' }
    expect(['/a', '/a/', '/a/b', '/a?x'].map((text) => of(text, place))).toEqual(['/a', '/a/', '/a/b', '/a?x'])
    for (const text of ['/', '/ab', '/b', '/a/../b', '/a/%2e%2e/b', '/A/x', '', '//a']) expect(of(text, place)).toBe('/a')
    expect(of('/A/x', { ...place, pathCase: 'insensitive' })).toBe('/A/x')
  })

  it('does not lead to the pkms pages where those are ours', () => {
    const webseal: ReturnPlace = { ...home, compat: 'webseal' }
    for (const text of ['/pkmslogout', '/PKMSlogout', '/%70kmslogout', '/pkmsoidc?iss=PLAY']) expect(of(text, webseal)).toBe('/')
    expect(of('/pkmslogout')).toBe('/pkmslogout')
  })

  const pieces = fc.constantFrom(
    '/',
    '//',
    '\\',
    '%2f',
    '%5c',
    '%252f',
    '%09',
    '\t',
    '\n',
    '\r',
    ' ',
    '.',
    '..',
    '%2e',
    '@',
    ':',
    '?',
    '#',
    'evil.com',
    'https:',
    'home.company.com',
    '[::1]',
    '%',
    '\u00a0',
    '。',
    '／',
    'a',
  )
  const mixtures = fc.oneof(
    fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join('')),
    fc.string({ unit: 'binary' }),
    fc.webUrl(),
  )

  it('never leaves the origin, whatever is asked for, however often it is decoded', () => {
    fc.assert(
      fc.property(mixtures, (text) => {
        let address = of(text)
        for (let round = 0; round < 3; round++) {
          expect(address).toMatch(/^\/(?!\s*[/\\])/)
          expect(new URL(address, home.origin).origin).toBe(home.origin)
          expect(new URL(home.origin + address).origin).toBe(home.origin)
          address = address.replace(/^[^?#]*/, (path) =>
            path.replace(/%([0-7][0-9a-f])/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
          )
        }
      }),
      { numRuns: 5000 },
    )
  })

  it('once found is found again: what is written is what is used', () => {
    fc.assert(
      fc.property(mixtures, (text) => {
        expect(of(of(text))).toBe(of(text))
      }),
      { numRuns: 2000 },
    )
  })
})
