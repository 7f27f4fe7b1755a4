// CVE-2021-32792, CVE-2019-1010247 (mod_auth_openidc), CVE-2026-33525 (Authelia): a quote or a tag in a provider's name, an
// error text or a preserved URL became markup of the sign-in page, and ran as the portal. Every text of every page is hostile.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Failure } from '../../src/types.ts'
import { type PageSettings, type Rendered, renderFailure, renderFrameFailure, renderPage } from '../../src/views/pages.ts'
import { addresses, skeleton, visibleText } from './markup.ts'

interface Poison {
  readonly text: string
  readonly href: string
}

const failureOf = ({ text, href }: Poison): Failure => ({
  status: 503,
  reason: 'provider-unavailable',
  requestId: text,
  message: text,
  rule: text,
  provider: text,
  account: text,
  challenge: text,
  signIn: href,
  otherAccount: href,
  choices: [{ label: text, href, isDefault: true, trouble: 'provider-unavailable' }],
})
const settingsOf = ({ text }: Poison): PageSettings => ({ title: text, contact: `? ${text}`, logo: '/logo.svg', language: text })

/** Every page with the same text in every field that is a text, and the same address in every field that is one. */
const everyPage: Readonly<Record<string, (poison: Poison) => Rendered>> = {
  chooser: (poison) => {
    const { text, href } = poison
    const choices = [
      { label: text, href, isDefault: true },
      { label: text, href, isDefault: false, trouble: 'provider-unavailable' as const },
    ]
    return renderPage({ name: 'chooser', choices, returnTo: text, notice: text }, settingsOf(poison), text)
  },
  refused: (poison) => renderPage({ name: 'refused', failure: failureOf(poison) }, settingsOf(poison), poison.text),
  'confirm-sign-out': (poison) => {
    const { text, href } = poison
    return renderPage(
      { name: 'confirm-sign-out', action: href, account: text, formTargets: [text, href] },
      settingsOf(poison),
      text,
    )
  },
  'signed-out': (poison) =>
    renderPage({ name: 'signed-out', signInAgain: poison.href, stillSignedInAt: poison.text }, settingsOf(poison), poison.text),
  failure: (poison) => renderFailure(failureOf(poison), settingsOf(poison)),
  frame: (poison) => renderFrameFailure(failureOf(poison), settingsOf(poison)),
}
const names = Object.keys(everyPage)
const rendered = (name: string, poison: Poison): Rendered => everyPage[name]?.(poison) as Rendered

const payloads = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '` onfocus=alert(1) autofocus=`',
  '</title></style></main><svg onload=alert(1)>',
  '<!--<base href=//evil.example>',
  '&lt;script&gt;',
  '{{constructor.constructor("alert(1)")()}}',
  '\u202egpj.exe',
  '\u0000<\u0000script>',
  '\ud800<b>',
  '$&$1$`',
]

describe.each(names)('no text becomes markup of the %s page', (name) => {
  const harmless = skeleton(rendered(name, { text: 'harmless', href: '/x' }))

  it.each(payloads)('%j', (payload) => {
    const page = rendered(name, { text: `x${payload}`, href: '/x' })
    expect(skeleton(page)).toEqual(harmless)
    expect(visibleText(page)).toContain(`x${payload}`.toWellFormed().replaceAll('\u0000', '\ufffd'))
  })

  it('nor anything that can be made up', () => {
    const unit = fc.oneof(
      fc.constantFrom(...'<>"\'`&=/!- \n', 'script', 'onload', '-->', ']]>'),
      fc.string({ unit: 'binary', maxLength: 2 }),
    )
    fc.assert(
      fc.property(fc.string({ unit }), (text) => {
        expect(skeleton(rendered(name, { text: `x${text}`, href: `/x${text.replace(/[\\/\s]/g, '')}` }))).toEqual(harmless)
      }),
    )
  })
})

describe.each(names)('no address of the %s page leads to a script or, unasked, elsewhere', (name) => {
  it.each([
    'javascript:alert(1)',
    '\tjavascript:alert(1)',
    'data:text/html,x',
    '//evil.example',
    '/\\evil.example',
    'x" onclick="y',
  ])('%j', (href) => {
    const page = rendered(name, { text: href, href })
    for (const address of addresses(page)) expect(address).toMatch(/^(?:|data:,|\/logo\.svg)$/)
  })
})

describe.each(names)('no text of the %s page becomes a header', (name) => {
  it('nor widens the policy', () => {
    const text = "x\r\nSet-Cookie: a=b; script-src * 'unsafe-inline', default-src *"
    const { headers } = rendered(name, { text, href: '/x' })
    for (const value of headers) expect(value).toMatch(/^[\x20-\x7e]*$/)
    expect(headers.join(' ')).not.toMatch(/unsafe-inline|script-src|Set-Cookie/)
  })
})
