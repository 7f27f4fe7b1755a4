import { describe, expect, it } from 'vitest'
import { canonicalPath } from '../../src/destination/canonical-path.ts'
import { compileFindPortal, compileFindRoute, compilePattern, foldHost } from '../../src/destination/find-portal.ts'
import type { Portal, Route } from '../../src/types.ts'

const portal = (name: string, path = '/', pathCase: 'sensitive' | 'insensitive' = 'sensitive') =>
  ({ name, path, pathCase }) as Portal
const route = (pattern: string, more: Partial<Route> = {}) => ({ pattern, ...more }) as Route

describe('the host of a request', () => {
  it.each([
    ['Home.Company.COM', 'home.company.com'],
    ['home.company.com:8443', 'home.company.com'],
    ['home.company.com.', 'home.company.com'],
    ['[::1]:80', '[::1]'],
    ['xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
  ])('%s is %s', (raw, folded) => expect(foldHost(raw)).toBe(folded))
  it.each(['', ' ', 'a b', 'a/b', 'a@b', 'home:port', 'a..b', 'home,other', '.', '-', 'home\u00e9'])('"%s" is none', (raw) =>
    expect(foldHost(raw)).toBeUndefined(),
  )
})

describe('which portal answers', () => {
  const find = compileFindPortal([
    { portal: portal('exact'), host: 'home.company.com' },
    { portal: portal('app', '/app'), host: 'home.company.com' },
    { portal: portal('deep', '/app/deep'), host: 'home.company.com' },
    { portal: portal('wild'), host: '*.company.com' },
    { portal: portal('idn'), host: 'münchen.example' },
  ])
  it('an exact host wins over a wildcard', () => expect(find('home.company.com', '/')?.name).toBe('exact'))
  it('a wildcard stands for one label', () => {
    expect(find('other.company.com', '/')?.name).toBe('wild')
    expect(find('a.b.company.com', '/')).toBeUndefined()
    expect(find('company.com', '/')).toBeUndefined()
    expect(find('evilcompany.com', '/')).toBeUndefined()
  })
  it('the longest path wins, on segment borders', () => {
    expect(find('home.company.com', '/app')?.name).toBe('app')
    expect(find('home.company.com', '/app/x')?.name).toBe('app')
    expect(find('home.company.com', '/app/deep/x')?.name).toBe('deep')
    expect(find('home.company.com', '/application')?.name).toBe('exact')
  })
  it('an international name is found under its punycode', () => expect(find('xn--mnchen-3ya.example', '/')?.name).toBe('idn'))
  it('an unknown host is nobody, unless a portal takes every host', () => {
    expect(find('unknown.example', '/')).toBeUndefined()
    expect(compileFindPortal([{ portal: portal('all'), host: '*' }])('unknown.example', '/')?.name).toBe('all')
  })
  it('a portal below a path does not answer elsewhere on its host', () => {
    expect(compileFindPortal([{ portal: portal('app', '/app'), host: 'h' }])('h', '/')).toBeUndefined()
  })
  it('our own paths belong to somebody even where every portal lies below a path', () => {
    const both = [
      { portal: portal('one', '/one'), host: 'h' },
      { portal: portal('two', '/two'), host: 'h' },
    ]
    const isOurs = (path: string) => path.startsWith('/_postern/')
    expect(compileFindPortal(both, isOurs)('h', '/_postern/login')).toBeDefined()
    expect(compileFindPortal(both, isOurs)('h', '/elsewhere')).toBeUndefined()
    expect(compileFindPortal(both, isOurs)('other', '/_postern/login')).toBeUndefined()
  })
  it('a case-insensitive portal owns its path in any case', () => {
    const iis = compileFindPortal([{ portal: portal('iis', '/App', 'insensitive'), host: 'h' }])
    expect(iis('h', '/aPP/x')?.name).toBe('iis')
  })
})

describe('a route pattern', () => {
  it.each([
    ['/public/**', ['/public', '/public/', '/public/a/b'], ['/publicx', '/', '/a/public']],
    ['/a/*/c', ['/a/b/c', '/a//c'], ['/a/b/d', '/a/b/b/c']],
    ['/customers/*/persons', ['/customers/7/persons'], ['/customers/persons', '/customers/7/persons/1']],
    ['/**/admin', ['/admin', '/x/y/admin'], ['/xadmin', '/admin/x']],
    ['/*.html', ['/a.html'], ['/a.htm', '/x/a.html', '/ahtml']],
    ['/über/**', ['/%C3%BCber/x'], ['/uber/x']],
    ['/a.b(c)', ['/a.b(c)'], ['/axb(c)']],
  ])('%s', (pattern, yes, no) => {
    const matches = compilePattern(pattern, { pathCase: 'sensitive', closingSlash: false })
    for (const path of yes) expect([path, matches(path)]).toEqual([path, true])
    for (const path of no) expect([path, matches(path)]).toEqual([path, false])
  })
  it.each(['/odata/$batch', '/users:purge', '/@admin/x', "/a'b(c)", '/%24x'])(
    '%s is met however its characters are written',
    (pattern) => {
      const matches = compilePattern(pattern, { pathCase: 'sensitive', closingSlash: false })
      const hex = (text: string) => text.replace(/[$:@'()]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
      for (const raw of [pattern, hex(pattern)]) expect([raw, matches(canonicalPath(raw)?.path ?? '')]).toEqual([raw, true])
    },
  )
  it('that keeps somebody out is met with a closing slash too', () => {
    expect(compilePattern('/reset', { pathCase: 'sensitive', closingSlash: true })('/reset/')).toBe(true)
    expect(compilePattern('/reset', { pathCase: 'sensitive', closingSlash: true })('/reset/x')).toBe(false)
    expect(compilePattern('/health', { pathCase: 'sensitive', closingSlash: false })('/health/')).toBe(false)
  })
  it('ignores the case of any alphabet where the portal does', () => {
    const matches = compilePattern('/über/**', { pathCase: 'insensitive', closingSlash: false })
    for (const path of ['/%C3%BCber/x', '/%C3%9Cber/x', '/%C3%9CBER']) expect([path, matches(path)]).toEqual([path, true])
  })
  it('ignores case where the portal does', () =>
    expect(compilePattern('/Admin/**', { pathCase: 'insensitive', closingSlash: false })('/ADMIN/x')).toBe(true))
})

describe('which route applies', () => {
  const matched = (pattern: string, more: Partial<Route> = {}) => ({
    route: route(pattern, more),
    matches: compilePattern(pattern, { pathCase: 'sensitive', closingSlash: false }),
  })
  const find = compileFindRoute(
    [matched('/a/**', { methods: new Set(['GET']) }), matched('/a/**', { access: 'blocked' }), matched('/**')],
    route(''),
    'sensitive',
  )
  it('the first that matches wins', () => expect(find('/b', 'GET')?.pattern).toBe('/**'))
  it('a route whose method does not match is passed over, and GET includes HEAD', () => {
    expect(find('/a/x', 'GET')?.access).toBeUndefined()
    expect(find('/a/x', 'HEAD')?.access).toBeUndefined()
    expect(find('/a/x', 'POST')?.access).toBe('blocked')
  })
  it('no match is the default', () =>
    expect(compileFindRoute([], route('default'), 'sensitive')('/x', 'GET')?.pattern).toBe('default'))
  it('another name of a file is none on a case-insensitive portal', () =>
    expect(compileFindRoute([], route('default'), 'insensitive')('/ADMIN~1/x', 'GET')).toBeUndefined())
})
