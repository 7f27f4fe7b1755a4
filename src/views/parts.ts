// The pieces pages are made of.
import type { Choice, EmailQuestion, Instant } from '../types.ts'
import { type Content, clip, type Html, html, type SafeUrl, safeUrl } from './html.ts'
import { type Icon, icon } from './icons.ts'
import type { Texts } from './texts.ts'

/** Longest text of a stranger on a page: a rule's message, a provider's name. */
const longest = { message: 600, name: 120 } as const

/** A name somebody else chose: kept short, and its writing direction kept to itself. */
export const foreign = (name: string): Html => html`<bdi>${clip(name, longest.name)}</bdi>`

export const opening = (name: Icon, heading: string, ...paragraphs: readonly Content[]): Html =>
  html`${icon(name)}<div class="lead"><h1>${heading}</h1>${paragraphs.map((text) => html`<p>${text}</p>`)}</div>`

export const message = (text: string): string => clip(text, longest.message)

export interface Look {
  readonly main: boolean
  /** Leaves the frame it stands in. */
  readonly top?: boolean
}

function button(address: SafeUrl, content: Content, look: Look): Html {
  const target = look.top ? html` target="_top"` : ''
  return html`<a class="${look.main ? 'button main' : 'button'}" href="${address}"${target}>${content}</a>`
}

/** Nothing where the address may not be linked. */
export function buttonIfSafe(href: string | undefined, content: Content, look: Look): Html | undefined {
  const address = safeUrl(href)
  return address && button(address, content, look)
}

/**
 * The ways to sign in. Where nothing else on the page stands out, the default one does, or the only one. One in trouble
 * stays a link: it may have healed since; it never stands out.
 */
export function choiceList(choices: readonly Choice[], texts: Texts, oneStandsOut: boolean): Html {
  const items = choices.map((choice) => {
    const main = oneStandsOut && choice.trouble === undefined && (choice.isDefault || choices.length === 1)
    const label = html`<span>${choice.isLocal ? foreign(choice.label) : html`${texts.loginWith} ${foreign(choice.label)}`}</span>`
    const link = buttonIfSafe(choice.href, label, { main }) ?? html`<span class="button off">${label}</span>`
    return html`<li>${link}${choice.trouble === undefined ? undefined : html`<p class="trouble">${texts.describe(choice.trouble).sentence}</p>`}</li>`
  })
  return html`<ul>${items}</ul>`
}

/** Asks for an e-mail address; nothing where the form may not lead to its place. */
export function emailForm({ action, fields, unknown }: EmailQuestion, texts: Texts): Html | undefined {
  const address = safeUrl(action)
  if (!address) return undefined
  const hidden = fields.map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)
  const sorry = unknown && html`<p class="notice" role="status">${texts.emailUnknown} <strong>${foreign(unknown)}</strong></p>`
  return html`<form class="lead" method="get" action="${address}">${hidden}${sorry || undefined}
<label for="email">${texts.email}</label>
<input class="field" id="email" name="email" type="email" autocomplete="email" maxlength="320" required>
<button class="button main">${texts.emailNext}</button></form>`
}

/** A form that is one button; nothing where it may not lead to its place. */
export function postButton(action: string, words: string, main: boolean): Html | undefined {
  const address = safeUrl(action)
  return (
    address &&
    html`<form method="post" action="${address}"><button class="${main ? 'button main' : 'button'}">${words}</button></form>`
  )
}

/** Points in time shown at most. */
const mostMoments = 5

/** In UTC: where the person is we do not know. */
export function moments(instants: readonly Instant[], { lang }: Texts): Html {
  const format = new Intl.DateTimeFormat(lang === 'en' ? 'en-GB' : lang, {
    dateStyle: 'long',
    timeStyle: 'short',
    timeZone: 'UTC',
  })
  const shown = instants.slice(0, mostMoments).map((at, index) => {
    const moment = html`<time datetime="${new Date(at).toISOString()}">${format.format(at)} UTC</time>`
    return index === 0 ? moment : html`<br>${moment}`
  })
  return html`${shown}${instants.length > mostMoments ? html`<br>…` : undefined}`
}

/** Names and values; nothing where every value is missing. */
export function details(entries: readonly (readonly [name: string, value: string | Html | undefined])[]): Html | undefined {
  const known = entries.filter(([, value]) => value !== undefined && value !== '')
  if (known.length === 0) return undefined
  return html`<dl>${known.map(([name, value]) => html`<div><dt>${name}</dt><dd>${typeof value === 'object' ? value : foreign(value ?? '')}</dd></div>`)}</dl>`
}
