// CVE-2021-32792 (mod_auth_openidc): a kept form became markup of the page that sent it again. Names and values are hostile.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Rendered, renderPage } from '../../src/views/pages.ts'
import { addresses, header, policyOf, skeleton, visibleText } from './markup.ts'
import { requestId, settings } from './samples.ts'

type Fields = readonly (readonly [name: string, value: string])[]
const pageOf = (fields: Fields, action = '/notes?a=1', formTargets: readonly string[] = []): Rendered =>
  renderPage({ name: 'resume', action, fields, formTargets }, settings, requestId)

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"' }
const unescaped = (text = ''): string =>
  text.replace(/&(?:#(\d+)|(\w+));/g, (_, code?: string, name = '') =>
    code ? String.fromCharCode(Number(code)) : (named[name] ?? ''),
  )
const fieldsOf = ({ body }: Rendered): Fields =>
  [...body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, name, value]) => [
    unescaped(name),
    unescaped(value),
  ])
const nonceOf = (page: Rendered): string => /<script nonce="([^"]*)">/.exec(page.body)?.[1] ?? ''

describe('the page that sends a kept form', () => {
  it('runs one script of ours by a nonce that nobody can know, and nothing else', () => {
    const page = pageOf([['a', '1']])
    expect(policyOf(page)['script-src']).toBe(`'nonce-${nonceOf(page)}'`)
    expect(nonceOf(page)).toMatch(/^[A-Za-z0-9+/]{24}$/)
    expect(nonceOf(pageOf([['a', '1']]))).not.toBe(nonceOf(page))
    expect(page.body.match(/<script/g)).toHaveLength(1)
    expect(page.body).not.toMatch(/\son[a-z]+=|javascript:/i)
    expect(policyOf(page)).toMatchObject({ 'default-src': "'none'", 'frame-ancestors': "'none'", 'form-action': "'self'" })
    expect(header(page, 'Cache-Control')).toBe('no-store')
    expect(header(page, 'Referrer-Policy')).toBe('same-origin')
  })

  it('has a button for whoever runs no script, in both languages', () => {
    expect(visibleText(pageOf([]))).toContain('Send it now')
    const german = renderPage({ name: 'resume', action: '/', fields: [], formTargets: [] }, { ...settings, language: 'de' }, 'x')
    expect(visibleText(german)).toContain('Jetzt senden')
  })

  it('submits although a field is called submit', () => {
    expect(pageOf([['submit', '1']]).body).toContain('HTMLFormElement.prototype.submit.call(')
  })

  it('lets the form lead to the origins it is told, and to nothing that is none', () => {
    const targets = ['https://idp.company.com/auth', 'https://vendor.company.com', "x'; script-src *", 'javascript:alert(1)']
    expect(policyOf(pageOf([], '/', targets))['form-action']).toBe("'self' https://idp.company.com https://vendor.company.com")
    expect(policyOf(pageOf([], '/', targets))['script-src']).toMatch(/^'nonce-/)
  })

  it.each(['//evil.example', 'javascript:alert(1)', '/\\evil.example', 'data:text/html,x', ''])(
    'has no form and no script where it would be posted to %j',
    (action) => {
      const page = pageOf([['a', '1']], action)
      expect(page.body).not.toMatch(/<form|<script|<input/)
      expect(policyOf(page)).not.toHaveProperty('script-src')
      expect(addresses(page)).not.toContain(action === '' ? 'x' : action)
    },
  )

  it('is the only one with a script', () => {
    const other = renderPage({ name: 'signed-out', signInAgain: '/' }, settings, requestId)
    expect(policyOf(other)).not.toHaveProperty('script-src')
  })

  it('writes line ends so that a parser leaves them alone', () => {
    expect(pageOf([['text', 'a\r\nb']]).body).toContain('value="a&#13;&#10;b"')
  })

  const harmless = skeleton(pageOf([['name', 'value']]))
  it.each([
    '"><script>alert(1)</script>',
    "' autofocus onfocus='alert(1)",
    '</form></main><form action=//evil.example>',
    '&quot;><b>',
    '\u202e',
    '$&$1$`',
    '--><!--',
  ])('makes no markup of %j', (text) => {
    const page = pageOf([[text, text]])
    expect(skeleton(page)).toEqual(harmless)
    expect(fieldsOf(page)).toEqual([[text, text]])
  })

  it('nor of anything that can be made up, and gives it all back', () => {
    const text = fc
      .string({
        unit: fc.oneof(fc.constantFrom(...'<>"\'`&=/!- ', '\r\n', '\t', 'onload'), fc.string({ unit: 'grapheme', maxLength: 2 })),
      })
      .map((value) => value.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)|(?<!\r)\n/g, ''))
    fc.assert(
      fc.property(text, text, (name, value) => {
        const page = pageOf([[name, value]])
        expect(skeleton(page)).toEqual(harmless)
        expect(fieldsOf(page)).toEqual([[name, value]])
      }),
    )
  })
})

it('a page that says that nothing could be kept leads to the portal', () => {
  const failure = { status: 400, reason: 'kept-request-gone' as const, requestId, page: '/notes?a=1&b=2' }
  const page = renderPage({ name: 'refused', failure }, settings, requestId)
  expect(addresses(page)).toContain('/notes?a=1&b=2')
  expect(visibleText(page)).toContain('Open the page')
  const evil = renderPage({ name: 'refused', failure: { ...failure, page: '//evil.example' } }, settings, requestId)
  expect(addresses(evil)).not.toContain('//evil.example')
})
