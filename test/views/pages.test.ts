import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { renderFailure, renderFrameFailure, renderPage } from '../../src/views/pages.ts'
import { addresses, header, policyOf, visibleText } from './markup.ts'
import { choices, displacing, noProvider, refused, requestId, samples, settings } from './samples.ts'

const pages = Object.entries(samples(settings))
/** They post a form that says where it comes from. */
const asks = new Set(['confirm-sign-out', 'displace', 'displace-many'])

describe.each(pages)('the %s page', (name, page) => {
  it('is small, never stored, never sniffed, and comes as UTF-8', () => {
    expect(Buffer.byteLength(page.body)).toBeLessThan(8192)
    expect(header(page, 'Content-Type')).toBe('text/html; charset=utf-8')
    expect(header(page, 'Cache-Control')).toBe('no-store')
    expect(header(page, 'X-Content-Type-Options')).toBe('nosniff')
    expect(header(page, 'Referrer-Policy')).toBe(asks.has(name) ? 'same-origin' : 'no-referrer')
  })

  it('allows its own style by hash and no script at all', () => {
    const style = /<style>([\s\S]*)<\/style>/.exec(page.body)?.[1] ?? ''
    const hash = createHash('sha256').update(style).digest('base64')
    const framed = name === 'frame'
    expect(policyOf(page)).toEqual({
      'default-src': "'none'",
      'style-src': `'sha256-${hash}'`,
      'img-src': "'self' data:",
      'form-action': name === 'confirm-sign-out' ? "'self' https://idp.company.com" : "'self'",
      'frame-ancestors': framed ? "'self'" : "'none'",
      'base-uri': "'none'",
    })
    expect(header(page, 'X-Frame-Options')).toBe(framed ? 'SAMEORIGIN' : 'DENY')
    expect(page.body).not.toMatch(/<script|\son[a-z]+=|\sstyle=|javascript:/i)
  })

  it('shows the request id and who helps', () => {
    expect(page.body).toContain(`<code>${requestId}</code>`)
    expect(addresses(page)).toContain('mailto:helpdesk@company.com')
  })
})

describe('the chooser', () => {
  const chooser = (partial: object = {}) =>
    renderPage({ name: 'chooser', choices, returnTo: 'https://home.company.com/a', ...partial }, settings, requestId)

  it('offers each provider as a link, the default one standing out', () => {
    const page = chooser()
    expect(page.status).toBe(200)
    expect(visibleText(page)).toMatch(/Login with PLAY .*Login with Company security key .*Login with Partner account/)
    expect(addresses(page)).toEqual(expect.arrayContaining(choices.map((choice) => choice.href)))
    expect(page.body.match(/class="button main"/g)).toHaveLength(1)
    expect(page.body).toMatch(/class="button main"[^>]*><span>Login with <bdi>PLAY/)
  })

  it('says where the person is going, where it is told a whole URL', () => {
    expect(visibleText(chooser())).toContain('to continue to home.company.com')
    expect(visibleText(chooser({ returnTo: '/a' }))).not.toContain('to continue')
  })

  it('asks for the e-mail address where it is told to, and says whose it does not know', () => {
    const email = { action: '/_postern/login', fields: [['return', '/a?b"<']] as const, unknown: 'john@nowhere.com' }
    const page = chooser({ email })
    expect(page.body).toMatch(
      /<form class="lead" method="get" action="\/_postern\/login"><input type="hidden" name="return" value="\/a\?b&quot;&lt;">/,
    )
    expect(page.body).toMatch(
      /<label for="email">[^<]+<\/label>\s*<input [^>]*id="email" name="email" type="email"[^>]* required>/,
    )
    expect(visibleText(page)).toContain('No sign-in service is known for the address john@nowhere.com')
    expect(visibleText(chooser({ email: { ...email, unknown: undefined } }))).not.toContain('No sign-in service')
    expect(chooser({ email: { ...email, action: 'javascript:alert(1)' } }).body).not.toContain('<form')
  })

  it("calls the portal's own sign-in by its own words", () => {
    const page = chooser({ choices: [{ label: 'Use the form', href: '/start', isDefault: false, isLocal: true }] })
    expect(visibleText(page)).toContain('Use the form')
    expect(visibleText(page)).not.toContain('Login with')
  })

  it('goes on by itself where it is told to, to its one choice and nowhere unsafe', () => {
    const choice = { label: 'PLAY', href: '/_postern/start/PLAY?return=%2Fa', isDefault: false }
    expect(header(chooser({ choices: [choice], forward: true }), 'Refresh')).toBe('0; url=/_postern/start/PLAY?return=%2Fa')
    expect(header(chooser({ choices: [choice] }), 'Refresh')).toBeUndefined()
    expect(header(chooser({ choices: [{ ...choice, href: '//evil.com' }], forward: true }), 'Refresh')).toBeUndefined()
  })

  it('says why one cannot be used, and does not make it stand out', () => {
    const page = chooser({ choices: [{ label: 'PLAY', href: '/start', isDefault: true, trouble: 'provider-unavailable' }] })
    expect(visibleText(page)).toContain('cannot be reached just now')
    expect(page.body).not.toContain('class="button main"')
  })

  it('says so where there is nothing to choose', () => {
    expect(visibleText(chooser({ choices: [] }))).toContain('No way of signing in is set up here.')
  })

  it('shows a choice without a link where its address may not be one', () => {
    const page = chooser({ choices: [{ label: 'EVIL', href: 'javascript:alert(1)', isDefault: true }] })
    expect(visibleText(page)).toContain('Login with EVIL')
    expect(addresses(page)).toEqual(['data:,', 'mailto:helpdesk@company.com'])
  })
})

describe('a refusal', () => {
  it("shows the rule's message, who the person is, and how to be somebody else", () => {
    const page = renderPage({ name: 'refused', failure: refused }, settings, 'other')
    expect(page.status).toBe(403)
    expect(visibleText(page)).toContain('Ask your manager for access to “Reports”.')
    expect(visibleText(page)).toContain('Signed in as john.doe@company.com')
    expect(visibleText(page)).toContain('Sign in as somebody else')
    expect(addresses(page)).toContain(refused.otherAccount)
  })

  it("falls back to the catalogue's sentence", () => {
    expect(visibleText(renderFailure({ status: 403, reason: 'rule-failed', requestId }, settings))).toContain(
      'could not be decided, so it stays closed',
    )
  })
})

describe('the question whether an older session shall end', () => {
  const asked = (others: number, ends: number, language = 'en') =>
    renderPage(displacing(others, ends), { ...settings, language }, requestId)

  it('says how many there are, since when, and what going on does; and has two forms', () => {
    const page = asked(3, 1)
    expect(page.status).toBe(200)
    expect(visibleText(page)).toMatch(/signed in at 3 other places.* end the oldest session and go on here\?/)
    expect(visibleText(page)).toMatch(/Signed in elsewhere since 22 November 2026 at 07:05 UTC 22 November 2026 at 08:35 UTC/)
    expect(page.body).toContain('<time datetime="2026-11-22T07:05:00.000Z">')
    expect(
      [...page.body.matchAll(/<form method="post" action="([^"]*)"><button class="([^"]*)">([^<]*)/g)].map((m) => m.slice(1)),
    ).toEqual([
      ['/_postern/displace?return=%2Freports&amp;token=x.y', 'button main', 'End the oldest session and go on here'],
      ['/_postern/displace?return=%2Freports&amp;token=x.y&amp;cancel=1', 'button', 'Do not sign in here'],
    ])
  })

  it.each([
    [1, 1, 'at one other place', 'End that session and go on here'],
    [3, 3, 'at 3 other places', 'End all of them and go on here'],
    [9, 8, 'at 9 other places', 'End the 8 oldest sessions and go on here'],
  ])('of %i, %i ending', (others, ends, places, button) => {
    expect(visibleText(asked(others, ends))).toContain(places)
    expect(visibleText(asked(others, ends))).toContain(button)
  })

  it.each([
    [1, 1, 'an einer anderen Stelle angemeldet', 'Diese Sitzung beenden und hier weitermachen'],
    [3, 1, 'an 3 anderen Stellen', 'Die älteste Sitzung beenden und hier weitermachen'],
    [9, 8, 'an 9 anderen Stellen', 'Die 8 ältesten Sitzungen beenden und hier weitermachen'],
  ])('of %i, %i ending, in German', (others, ends, places, button) => {
    expect(visibleText(asked(others, ends, 'de'))).toContain(places)
    expect(visibleText(asked(others, ends, 'de'))).toContain(button)
    expect(visibleText(asked(others, ends, 'de'))).toContain('22. November 2026 um 07:05 UTC')
  })

  it('shows five times and that there are more', () => {
    expect(asked(9, 8).body.match(/<time/g)).toHaveLength(5)
    expect(visibleText(asked(9, 8))).toContain('…')
    expect(visibleText(asked(5, 1))).not.toContain('…')
  })

  it('posts to no other place', () => {
    const page = renderPage({ ...displacing(1, 1), action: '//evil.example/', cancel: 'javascript:1' }, settings, requestId)
    expect(page.body).not.toContain('<form')
  })

  it('answered with yes, goes on by itself, and nowhere unsafe', () => {
    const onward = (to: string) => renderPage({ name: 'displaced', onward: to }, settings, requestId)
    expect(header(onward('https://home.company.com/a'), 'Refresh')).toBe('0; url=https://home.company.com/a')
    expect(addresses(onward('https://home.company.com/a'))).toContain('https://home.company.com/a')
    expect(header(onward('javascript:alert(1)'), 'Refresh')).toBeUndefined()
  })
})

describe('a refusal for too many sessions', () => {
  it('says since when there are others, and how to go on', () => {
    const page = samples(settings)['too-many-sessions'] ?? renderFailure(refused, settings)
    expect(visibleText(page)).toMatch(/Sign out at one of them, then try again/)
    expect(visibleText(page)).toMatch(/Signed in elsewhere since 22 November 2026 at 07:05 UTC/)
    expect(addresses(page)).toContain('/_postern/start/PLAY?return=%2Freports%3Fyear%3D2025')
  })
})

describe('a failure', () => {
  it('offers another try and the other providers where one is down', () => {
    const page = renderFailure(noProvider, settings)
    expect(page.status).toBe(503)
    expect(header(page, 'Retry-After')).toBe('8')
    expect(visibleText(page)).toMatch(/Try again .*Other ways to sign in .*Login with Company security key/)
    expect(addresses(page)).toEqual(expect.arrayContaining([noProvider.signIn, choices[1]?.href]))
  })

  it.each(['portal-unreachable', 'portal-timeout', 'internal'] as const)('%s offers the same page again', (reason) => {
    const page = renderFailure({ status: 502, reason, requestId }, settings)
    expect(addresses(page)).toContain('')
    expect(visibleText(page)).toContain('Try again')
  })

  it('does not offer again what cannot pass by trying', () => {
    expect(addresses(renderFailure({ status: 404, reason: 'portal-unknown', requestId }, settings))).not.toContain('')
  })

  it('challenges on 401 alone, on one line', () => {
    const challenge = 'Bearer realm="home"\r\nSet-Cookie: a=b'
    const page = renderFailure({ status: 401, reason: 'sign-in-needed', requestId, challenge }, settings)
    expect(header(page, 'WWW-Authenticate')).toBe('Bearer realm="home"Set-Cookie: a=b')
    const other = renderFailure({ status: 403, reason: 'rule-refused', requestId, challenge }, settings)
    expect(header(other, 'WWW-Authenticate')).toBeUndefined()
  })

  it('always says when to come back from a 503', () => {
    expect(header(renderFailure({ status: 503, reason: 'store-unavailable', requestId }, settings), 'Retry-After')).toBe('5')
    const soon = { status: 503, reason: 'shutting-down', requestId, retryAfter: 0 } as const
    expect(header(renderFailure(soon, settings), 'Retry-After')).toBe('1')
  })

  it('keeps a long text from filling the page', () => {
    const failure = { ...refused, message: '<'.repeat(100_000), account: '&'.repeat(100_000), requestId: "'".repeat(100_000) }
    expect(renderFailure(failure, settings).body.length).toBeLessThan(12_000)
  })
})

describe('a failure in a frame', () => {
  it('is a 401 with a link that opens in the whole window', () => {
    const page = renderFrameFailure({ status: 401, reason: 'sign-in-needed', requestId, signIn: '/_postern/login' }, settings)
    expect(page.status).toBe(401)
    expect(page.body).toMatch(/<a class="button main" href="\/_postern\/login" target="_top">Sign in<\/a>/)
  })
})

describe('signing out', () => {
  it('is confirmed by a posted form, whose way on the policy allows by origin', () => {
    const formTargets = [
      'https://idp.company.com/end?x=1',
      'https://idp.company.com/',
      'https://a;sandbox',
      "https://a 'unsafe-inline'",
      'javascript:1',
      '*',
    ]
    const page = renderPage({ name: 'confirm-sign-out', action: '/_postern/logout', formTargets }, settings, requestId)
    expect(page.body).toContain('<form method="post" action="/_postern/logout">')
    expect(policyOf(page)['form-action']).toBe("'self' https://idp.company.com")
  })

  it('ends on a page that says where the person is still known', () => {
    const page = renderPage({ name: 'signed-out', signInAgain: '/_postern/login', stillSignedInAt: 'PLAY' }, settings, requestId)
    expect(page.status).toBe(200)
    expect(visibleText(page)).toMatch(/You are still signed in at PLAY/)
    expect(addresses(page)).toContain('/_postern/login')
  })
})

describe('the settings', () => {
  it("show the company's logo and let no other host's picture in", () => {
    const logo = 'https://cdn.company.com/logo.svg'
    const page = renderFailure(refused, { ...settings, logo })
    expect(page.body).toContain(`<img src="${logo}" alt="Company Portal">`)
    expect(policyOf(page)['img-src']).toBe("'self' data: https://cdn.company.com")
  })

  it.each(['javascript:alert(1)', 'data:text/html,x', '//evil.example/a.png', 'https://a;sandbox/x'])(
    'give %s no room in the policy',
    (logo) => {
      const page = renderFailure(refused, { ...settings, logo })
      expect(policyOf(page)['img-src']).toBe("'self' data:")
      expect(Object.keys(policyOf(page))).toHaveLength(6)
    },
  )

  it.each([
    ['https://help.company.com/', 'https://help.company.com/'],
    ['javascript:alert(1)', undefined],
    ['Call 112', undefined],
  ])('show the contact %s', (contact, address) => {
    const page = renderFailure({ status: 404, reason: 'portal-unknown', requestId }, { ...settings, contact })
    expect(visibleText(page)).toContain(contact)
    expect(addresses(page).slice(1)).toEqual(address ? [address] : [])
  })

  it.each(['de', 'de-CH', 'DE'])('speak German for %s', (language) => {
    const page = renderFailure({ status: 502, reason: 'portal-unreachable', requestId }, { ...settings, language })
    expect(page.body).toContain('<html lang="de">')
    expect(visibleText(page)).toContain('Das Portal ist gerade nicht erreichbar.')
  })

  it.each(['fr', 'den', ''])('speak English for %j', (language) => {
    expect(renderFailure(refused, { ...settings, language }).body).toContain('<html lang="en">')
  })
})
