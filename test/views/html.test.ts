import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { clip, escapeHtml, html, mailTo, safeImage, safeUrl } from '../../src/views/html.ts'

describe('html', () => {
  it('escapes what a hole holds, in content and in attributes', () => {
    expect(html`<p title="${`a"b'c`}">${'<b>&amp;`'}</p>`.text).toBe('<p title="a&quot;b&#39;c">&lt;b&gt;&amp;amp;&#96;</p>')
  })

  it('puts markup into markup once escaped, joins lists and leaves undefined out', () => {
    expect(html`<ul>${['<', '>'].map((text) => html`<li>${text}</li>`)}${undefined}${7}</ul>`.text).toBe(
      '<ul><li>&lt;</li><li>&gt;</li>7</ul>',
    )
  })

  it('lets no object pass for markup because it looks like it', () => {
    const forged = JSON.parse('{"text":"<script>"}')
    expect(() => html`${forged}`.text).toThrow()
  })

  it('lets no text leave its place, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...'<>"\'`&=/ a\u0000') })),
        (text) => {
          expect(escapeHtml(text)).not.toMatch(/[<>"'`\u0000]|&(?!(?:amp|lt|gt|quot|#39|#96);)/)
        },
      ),
    )
  })

  it('replaces control characters and half surrogates, which no browser shows', () => {
    expect(escapeHtml('a\u0000b\u001bc\ud800d\u0085e\tf\n')).toBe('a\ufffdb\ufffdc\ufffdd\ufffde\tf\n')
  })

  it.each(['href', 'src', 'action', 'formaction'])('refuses plain text as the value of %s', (name) => {
    const literals = Object.assign([`<a ${name}="`, '">'], { raw: [] })
    expect(() => html(literals, 'javascript:alert(1)')).toThrow(TypeError)
    expect(html(literals, safeUrl('/a?b=1&c=2')).text).toBe(`<a ${name}="/a?b=1&amp;c=2">`)
  })

  it('refuses an attribute value without quotes', () => {
    expect(() => html`<a title=${'x onload=y'}>`).toThrow(TypeError)
  })
})

describe('safeUrl', () => {
  it.each(['/', '/a?b=/c#d', '/a//b', '/.//evil.example', '/ä ö'])('takes the path %j as it is', (path) => {
    expect(safeUrl(path)?.text).toBe(path)
  })

  it.each([
    ['https://idp.company.com/a', 'https://idp.company.com/a'],
    ['HTTP://127.0.0.1:8080', 'http://127.0.0.1:8080/'],
  ])('takes %s', (url, read) => {
    expect(safeUrl(url)?.text).toBe(read)
  })

  it.each([
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'java\nscript:alert(1)',
    'JaVaScRiPt:alert(1)',
    '\u0001javascript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'blob:https://a/b',
    'file:///etc/passwd',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    '/\n\\evil.example',
    '\\\\evil.example',
    'a/b',
    '',
    'https://',
  ])('refuses %j', (text) => {
    expect(safeUrl(text)).toBeUndefined()
  })

  it('gives nothing that a browser would read as another scheme or, from a path, another origin', () => {
    const pieces = fc.constantFrom(
      '/',
      '\\',
      '\t',
      '\n',
      ' ',
      ':',
      '@',
      '.',
      'javascript',
      'https',
      'evil.example',
      '?',
      '#',
      '\u0000',
    )
    fc.assert(
      fc.property(fc.string({ unit: pieces, maxLength: 8 }), (text) => {
        const safe = safeUrl(text)
        if (!safe) return
        const read = new URL(safe.text, 'https://own.example/x/y')
        expect(read.protocol).toMatch(/^https?:$/)
        if (text.startsWith('/')) expect(read.origin).toBe('https://own.example')
      }),
      { numRuns: 2000 },
    )
  })
})

describe('safeImage', () => {
  it.each([
    '/logo.svg',
    'https://cdn.company.com/logo.png',
    'data:image/png;base64,AAAA',
    "data:image/svg+xml,%3Csvg%20a='b'/%3E",
  ])('takes %s', (text) => {
    expect(safeImage(text)).toBeDefined()
  })
  it.each([
    'data:text/html,x',
    'data:image/png',
    'javascript:1',
    '//evil.example/x.png',
    'http://cdn.company.com/a.png',
    'logo.png',
  ])('refuses %s', (text) => {
    expect(safeImage(text)).toBeUndefined()
  })
})

describe('mailTo', () => {
  it('links a mail address', () => {
    expect(mailTo('it+help@company.com')?.text).toBe('mailto:it%2Bhelp@company.com')
  })
  it.each(['a@b?bcc=c@d', 'a@b&x', 'call 112', 'a b@c', 'a@b@c', 'javascript:x@y', 'https://u@company.com'])(
    'takes %j for no mail address',
    (text) => {
      expect(mailTo(text)).toBeUndefined()
    },
  )
})

describe('clip', () => {
  it('shortens long text and leaves no half character', () => {
    expect(clip('abc', 3)).toBe('abc')
    expect(clip('abcd', 3)).toBe('ab…')
    expect(clip('a😀😀', 3)).toBe('a\ufffd…')
  })
})
