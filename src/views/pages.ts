// VIEWS: what a person sees when the portal is not the one answering.
// Owns the pages and the headers that come with them. Knows nothing of requests, sessions, providers or sockets: it gets a
// Page or a Failure as plain data, takes every text in it for hostile, and gives back status, headers and body.
import type { Choice, Failure, Instant, Page } from '../types.ts'
import { type PageSettings, type Rendered, renderDocument, type Sheet } from './document.ts'
import { failureHeaders } from './failure-headers.ts'
import { type Html, html, safeUrl } from './html.ts'
import type { Icon } from './icons.ts'
import { buttonIfSafe, choiceList, details, emailForm, foreign, message, moments, opening, postButton } from './parts.ts'
import { resumeForm } from './resume-form.ts'
import { type Texts, textsFor } from './texts.ts'

export type { PageSettings, Rendered } from './document.ts'

type Body = Omit<Sheet, 'requestId'>
type PageNamed<Name extends Page['name']> = Extract<Page, { name: Name }>

/** A page of ours: 200, or the failure's status where it is a refusal. */
export function renderPage(page: Page, settings: PageSettings, requestId: string): Rendered {
  const texts = textsFor(settings.language)
  return renderDocument({ ...bodyOf(page, texts), requestId }, texts, settings)
}

/** What went wrong, for a browser that loads a page. */
export function renderFailure(failure: Failure, settings: PageSettings): Rendered {
  const texts = textsFor(settings.language)
  return renderDocument({ ...failureBody(failure, texts), requestId: failure.requestId }, texts, settings)
}

/**
 * The same inside an iframe of the portal: a sign-in cannot happen in there (no provider allows to be framed), so its link
 * opens in the whole window. May be framed by the portal's own origin only.
 */
export function renderFrameFailure(failure: Failure, settings: PageSettings): Rendered {
  const texts = textsFor(settings.language)
  const { title, sentence } = texts.describe(failure.reason)
  const content = html`${opening('key', title, message(failure.message ?? sentence))}
${buttonIfSafe(failure.signIn ?? failure.otherAccount, texts.openSignIn, { main: true, top: true })}`
  const headers = failureHeaders(failure)
  const { status, requestId } = failure
  return renderDocument({ status, heading: title, content, requestId, headers, framed: true }, texts, settings)
}

function bodyOf(page: Page, texts: Texts): Body {
  switch (page.name) {
    case 'chooser':
      return chooserBody(page, texts)
    case 'refused':
      return failureBody(page.failure, texts)
    case 'confirm-sign-out':
      return confirmBody(page, texts)
    case 'signed-out':
      return signedOutBody(page, texts)
    case 'resume':
      return resumeBody(page, texts)
    case 'displace':
      return displaceBody(page, texts)
    case 'displaced':
      return displacedBody(page, texts)
  }
}

function chooserBody(page: PageNamed<'chooser'>, texts: Texts): Body {
  const host = URL.parse(page.returnTo)?.host
  const purpose = host ? [html`${texts.signInFor} <strong>${foreign(host)}</strong>`] : []
  const content = html`${opening('key', texts.signIn, ...purpose)}
${page.notice ? html`<p class="notice" role="status">${message(page.notice)}</p>` : undefined}
${page.email ? emailForm(page.email, texts) : undefined}${ways(page.choices, texts)}`
  return { status: 200, heading: texts.signIn, content, ...(page.forward ? { headers: refreshTo(page.choices[0]?.href) } : {}) }
}

/** By itself, and without a script. */
function refreshTo(href: string | undefined): readonly string[] {
  const address = safeUrl(href)
  return address ? ['Refresh', `0; url=${address.text}`] : []
}

function ways(choices: readonly Choice[], texts: Texts): Html {
  if (choices.length === 0) return html`<p>${texts.noWay}</p>`
  return html`${choices.length > 1 ? html`<p class="soft">${texts.signInHow}</p>` : undefined}${choiceList(choices, texts, true)}`
}

function confirmBody(page: PageNamed<'confirm-sign-out'>, texts: Texts): Body {
  const action = safeUrl(page.action)
  const submit = html`<button class="button main">${texts.signOut}</button>`
  const content = html`${opening('leave', texts.confirmTitle, texts.confirmSentence, texts.confirmStay)}
${action ? html`<form method="post" action="${action}">${submit}</form>` : undefined}
${details([[texts.account, page.account]])}`
  return { status: 200, heading: texts.confirmTitle, content, formTargets: page.formTargets }
}

function signedOutBody(page: PageNamed<'signed-out'>, texts: Texts): Body {
  const elsewhere =
    page.stillSignedInAt &&
    html`<p class="notice">${texts.stillSignedIn} <strong>${foreign(page.stillSignedInAt)}</strong>. ${texts.stillSignedInAdvice}</p>`
  const content = html`${opening('done', texts.signedOut, texts.signedOutSentence)}${elsewhere || undefined}
${buttonIfSafe(page.signInAgain, texts.signInAgain, { main: true })}`
  return { status: 200, heading: texts.signedOut, content }
}

function resumeBody({ action, fields, formTargets }: PageNamed<'resume'>, texts: Texts): Body {
  const form = resumeForm(action, fields, texts)
  const content = html`${opening('done', texts.resumeTitle, texts.resumeSentence)}
${form?.content}`
  return { status: 200, heading: texts.resumeTitle, content, formTargets, ...(form ? { script: form.script } : {}) }
}

function displaceBody({ action, cancel, account, since, ends }: PageNamed<'displace'>, texts: Texts): Body {
  const { length } = since
  const sentence = length > 1 ? texts.displaceSeveral(length) : texts.displaceOne
  const forms = html`${postButton(action, texts.displaceGoOn(ends, length), true)}${postButton(cancel, texts.displaceCancel, false)}`
  const content = html`${opening('leave', texts.displaceTitle, sentence, texts.displaceAsk(ends, length))}
<div class="actions">${forms}</div>
${details([...sinceRow(since, texts), [texts.account, account]])}`
  return { status: 200, heading: texts.displaceTitle, content, formTargets: [] } // none beside our own: each form says where it comes from
}

function displacedBody({ onward }: PageNamed<'displaced'>, texts: Texts): Body {
  const content = html`${opening('done', texts.displacedTitle, texts.displacedSentence)}
${buttonIfSafe(onward, texts.openPage, { main: true })}`
  return { status: 200, heading: texts.displacedTitle, content, headers: refreshTo(onward) }
}

function failureBody(failure: Failure, texts: Texts): Body {
  const { title, sentence } = texts.describe(failure.reason)
  const { status, account, provider, choices = [], signedInSince = [] } = failure
  const actions = wayOn(failure, texts)
  const others = choiceList(choices, texts, actions === undefined)
  const content = html`${opening(iconOf(status), title, message(failure.message ?? sentence))}
${actions && html`<div class="actions">${actions}</div>`}
${choices.length > 0 ? html`<section class="lead"><h2>${texts.otherWays}</h2>${others}</section>` : undefined}
${details([...sinceRow(signedInSince, texts), [texts.account, account], [texts.provider, provider]])}`
  return { status, heading: title, content, headers: failureHeaders(failure) }
}

const iconOf = (status: number): Icon => (status === 401 ? 'key' : status === 403 ? 'closed' : 'trouble')

/** What the person can do about it, the most promising first. */
function wayOn(failure: Failure, texts: Texts): Html | undefined {
  const mayPass = failure.status >= 500
  const words = mayPass ? texts.tryAgain : failure.status === 400 ? texts.startAgain : texts.signIn
  const again = buttonIfSafe(failure.signIn, words, { main: true }) ?? (mayPass ? reload(texts) : undefined)
  const other = buttonIfSafe(failure.otherAccount, texts.otherAccount, { main: !again })
  const page = buttonIfSafe(failure.page, texts.openPage, { main: !again && !other })
  return again || other || page ? html`${again}${other}${page}` : undefined
}

/** An empty address is the page itself, asked for with GET. */
const reload = (texts: Texts): Html => html`<a class="button main" href="">${texts.tryAgain}</a>`

const sinceRow = (since: readonly Instant[], texts: Texts) =>
  since.length === 0 ? [] : [[texts.since, moments(since, texts)] as const]
