import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalPath, hasWindowsAlias, splitTarget } from '../../src/destination/canonical-path.ts'

const path = (raw: string) => canonicalPath(raw)?.path

describe('a path in canonical form', () => {
  it.each([
    '/',
    '/a',
    '/a/',
    '/a/b.html',
    '/a.b/c',
    '/.well-known/x',
    '/a/.hidden',
    '/a/...',
    '/a..b',
    "/~user/x:y@z!$&'()*+,=",
    '/%20',
    '/100%25',
    '/caf%C3%A9',
    '/latin1%E4',
    '/a%3Fb',
    '/a%23b',
  ])('%s is taken as it is', (raw) => expect(path(raw)).toBe(raw))

  it('has needlessly encoded characters decoded and hex digits in upper case, and that is what is forwarded', () => {
    expect(path('/%61dmin/%7euser/caf%c3%a9/%24%3a%40%2B')).toBe('/admin/~user/caf%C3%A9/$:@+')
  })

  it('says that an encoded slash stands in it', () => {
    expect(canonicalPath('/files/a%2fb')).toEqual({ path: '/files/a%2Fb', encodedSlash: true })
    expect(canonicalPath('/files/a')).toEqual({ path: '/files/a', encodedSlash: false })
  })
})

describe('a path with two readings is refused', () => {
  it.each([
    ['dot segments', '/public/../admin'],
    ['dot segments', '/./admin'],
    ['dot segments', '/a/..'],
    ['dot segments', '/.'],
    ['encoded dot segments', '/public/%2e%2e/admin'],
    ['encoded dot segments', '/public/.%2E/admin'],
    ['dot segments behind an encoded slash', '/x/..%2fadmin'],
    ['dot segments behind an encoded slash', '/x%2f..%2fadmin'],
    ['empty segments', '//admin'],
    ['empty segments', '/a//b'],
    ['backslashes', '/a\\b'],
    ['encoded backslashes', '/a%5cb'],
    ['encoded NUL', '/a%00'],
    ['encoded line breaks', '/a%0d%0aX:%20y'],
    ['parameters', '/public/..;/admin'],
    ['parameters', '/admin;x=y/'],
    ['encoded parameters', '/admin%3b/'],
    ['double encoding', '/%252e%252e/admin'],
    ['double encoding', '/%2561dmin'],
    ['double encoding made of two halves', '/%%36%31dmin'],
    ['double encoding after one decoding', '/%25%36%31dmin'],
    ['overlong UTF-8', '/%c0%af'],
    ['overlong UTF-8', '/%e0%80%af'],
    ['overlong UTF-8', '/%F0%80%80%af'],
    ['broken encoding', '/%u002e'],
    ['broken encoding', '/%'],
    ['broken encoding', '/%4'],
    ['raw control characters', '/a\tb'],
    ['raw blanks', '/a b'],
    ['raw bytes above ASCII', '/\u00e9'],
    ['characters no URI has', '/a"b'],
    ['characters no URI has', '/{a}'],
    ['no leading slash', 'admin'],
    ['nothing', ''],
  ])('%s: %s', (_what, raw) => expect(canonicalPath(raw)).toBeUndefined())

  it('stays the same when read a second time, whatever the text', () => {
    const piece = fc.constantFrom('/', '.', '%', '2', 'e', '5', 'c', 'F', 'a', ';', '\\', '%2e', '%2F', '%25', '%61', 'admin')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const first = canonicalPath(`/${pieces.join('')}`)
        if (!first) return
        expect(canonicalPath(first.path)).toEqual(first)
        const decoded = first.path.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
        expect(decoded.split('/').some((segment) => segment === '.' || segment === '..')).toBe(false)
        expect(decoded).not.toMatch(/%[0-9A-Fa-f]{2}|[\\;]/)
      }),
      { numRuns: 5000 },
    )
  })
})

describe('a request target', () => {
  it('is cut at its first question mark, and the rest stays as it came', () => {
    expect(splitTarget('/a?b=c?d=%zz')).toEqual({ path: '/a', query: '?b=c?d=%zz' })
    expect(splitTarget('/a?')).toEqual({ path: '/a', query: '?' })
    expect(splitTarget('/a')).toEqual({ path: '/a', query: '' })
  })
  it.each(['http://home/a', '*', 'home:443', '/a#b', '/a?b#c', ''])('%s is no origin-form target', (target) =>
    expect(splitTarget(target)).toBeUndefined(),
  )
})

describe('what Windows takes for another name of the same file', () => {
  it.each(['/admin.', '/ADMIN~1', '/admin%20', '/a/admin./x', '/file::$DATA'])('%s', (raw) =>
    expect(hasWindowsAlias(raw)).toBe(true),
  )
  it('is not an ordinary name', () => expect(hasWindowsAlias('/admin/page.aspx')).toBe(false))
})
