// One of each page as a company would see it.

import type { Choice, Failure, Page } from '../../src/types.ts'
import { type PageSettings, type Rendered, renderFailure, renderFrameFailure, renderPage } from '../../src/views/pages.ts'

export const settings: PageSettings = { title: 'Company Portal', contact: 'helpdesk@company.com', language: 'en' }

const start = (name: string) => `/_postern/start/${name}?return=%2Freports%3Fyear%3D2025`
export const choices: readonly Choice[] = [
  { label: 'PLAY', href: start('PLAY'), isDefault: true },
  { label: 'Company security key', href: start('FIDO'), isDefault: false },
  { label: 'Partner account', href: start('PARTNER'), isDefault: false, trouble: 'provider-unavailable' },
]
export const requestId = '0f3b6a52-7d1e-4a55-9a61-2f6f0f1c9e77'
export const refused: Failure = {
  status: 403,
  reason: 'rule-refused',
  requestId,
  message: 'This portal is for staff of Company Ltd.\nAsk your manager for access to “Reports”.',
  rule: 'staff-only',
  provider: 'PLAY',
  account: 'john.doe@company.com',
  otherAccount: '/_postern/login?return=%2Freports&prompt=login',
}
export const noProvider: Failure = {
  status: 503,
  reason: 'provider-unavailable',
  requestId,
  provider: 'PLAY',
  signIn: start('PLAY'),
  retryAfter: 7.2,
  choices: choices.slice(1, 2),
}

const morning = Date.UTC(2026, 10, 22, 7, 5)
export const displacing = (others: number, ends: number): Extract<Page, { name: 'displace' }> => ({
  name: 'displace',
  action: '/_postern/displace?return=%2Freports&token=x.y',
  cancel: '/_postern/displace?return=%2Freports&token=x.y&cancel=1',
  account: 'john.doe@company.com',
  since: Array.from({ length: others }, (_, i) => morning + i * 5_400_000),
  ends,
})

/** Every page by name. */
export function samples(of: PageSettings): Readonly<Record<string, Rendered>> {
  return {
    chooser: renderPage(
      { name: 'chooser', choices, returnTo: 'https://home.company.com/reports', notice: 'Your session has ended.' },
      of,
      requestId,
    ),
    'chooser-email': renderPage(
      {
        name: 'chooser',
        choices: [...choices, { label: "Use the portal's own sign-in", href: start('OWN'), isDefault: false, isLocal: true }],
        returnTo: '/',
        email: { action: '/_postern/login', fields: [['return', '/']], unknown: 'john@nowhere.com' },
      },
      of,
      requestId,
    ),
    'chooser-single': renderPage({ name: 'chooser', choices: choices.slice(1, 2), returnTo: '/' }, of, requestId),
    refused: renderPage({ name: 'refused', failure: refused }, of, requestId),
    'confirm-sign-out': renderPage(
      {
        name: 'confirm-sign-out',
        action: '/_postern/logout',
        account: 'john.doe@company.com',
        formTargets: ['https://idp.company.com/oidc/session/end'],
      },
      of,
      requestId,
    ),
    displace: renderPage(displacing(3, 1), of, requestId),
    'displace-many': renderPage(displacing(9, 8), of, requestId),
    'too-many-sessions': renderFailure(
      {
        status: 403,
        reason: 'too-many-sessions',
        requestId,
        provider: 'PLAY',
        account: 'john.doe@company.com',
        signIn: start('PLAY'),
        signedInSince: displacing(2, 1).since,
      },
      of,
    ),
    'signed-out': renderPage({ name: 'signed-out', signInAgain: '/_postern/login', stillSignedInAt: 'PLAY' }, of, requestId),
    'provider-unavailable': renderFailure(noProvider, of),
    'portal-unreachable': renderFailure({ status: 502, reason: 'portal-unreachable', requestId }, of),
    'sign-in-expired': renderFailure({ status: 400, reason: 'sign-in-expired', requestId, signIn: start('PLAY') }, of),
    'not-found': renderFailure({ status: 404, reason: 'portal-unknown', requestId }, of),
    internal: renderFailure({ status: 500, reason: 'internal', requestId }, of),
    frame: renderFrameFailure({ status: 401, reason: 'sign-in-needed', requestId, signIn: '/_postern/login?return=%2F' }, of),
  }
}
