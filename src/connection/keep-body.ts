// A form that meets the end of a session is read here instead of being lost. Owns which requests that is, and reading them with
// bounded bytes and time; what becomes of the form is kept-request's.
import type { IncomingMessage } from 'node:http'
import { type KeptRequests, largestKept } from '../identity/signing-in/kept-request.ts'
import type { Challenge, Decision, Portal, RequestView } from '../types.ts'

/** A challenge for somebody known. */
export type Keepable = Challenge & { readonly person: NonNullable<Challenge['person']>; readonly signIn: string }

/** Milliseconds a browser may take to send a form that is this small. */
const patience = 20_000

/**
 * A page of the portal's own, posting a small URL-encoded form as a page load, for somebody whose session is over or not fresh
 * enough. An XHR, an upload, another site's form, or a stranger's is not kept.
 */
export function isKeepable(decision: Decision, request: RequestView): decision is Keepable {
  return (
    decision.kind === 'challenge' &&
    decision.redirect &&
    decision.person !== undefined &&
    decision.signIn !== undefined &&
    request.method === 'POST' &&
    isSmallForm(request) &&
    isOwnPage(request, decision.portal)
  )
}

function isSmallForm(request: RequestView): boolean {
  const [type, ...moreTypes] = request.lines('content-type')
  const [length = '0'] = request.lines('content-length')
  return (
    type !== undefined &&
    moreTypes.length === 0 &&
    /^application\/x-www-form-urlencoded\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type) &&
    request.lines('content-encoding').length === 0 &&
    Number(length) <= largestKept
  )
}

/** Anything that says otherwise wins, and something must say so (attacks on forms: Fetch Metadata, RFC 6454 section 7). */
function isOwnPage(request: RequestView, portal: Portal): boolean {
  const origins = request.lines('origin').filter((origin) => origin !== 'null') // a page without referrer, even to itself
  const sites = request.lines('sec-fetch-site')
  if (origins.some((origin) => origin !== portal.origin) || sites.some((site) => site !== 'same-origin')) return false
  // on another host of the portal the key would not come along to where people sign in
  return origins.length > 0 || (sites.length > 0 && request.host === new URL(portal.origin).hostname)
}

/**
 * Reads the form and keeps it: the challenge whose way to the sign-in knows the place; the same challenge as before where it is
 * too large, too slow, or no form that could be sent again. Never throws for what a client does.
 */
export async function keepForm(
  challenge: Keepable,
  request: RequestView,
  incoming: IncomingMessage,
  kept: KeptRequests,
): Promise<Challenge> {
  const { person, session, portal, signIn } = challenge
  const body = await readBody(incoming, patience)
  const place = body && (await kept.keep({ person, ...(session === undefined ? {} : { session }), portal, request, body }))
  if (!place) return challenge
  return {
    ...challenge,
    signIn: `${signIn}${signIn.includes('?') ? '&' : '?'}kept=${place.slot}`,
    cookies: [...challenge.cookies, ...place.cookies],
  }
}

/**
 * undefined: too large, too slow, or broken off (CVE-2025-3891). What is still to come is thrown away.
 * @param within milliseconds
 */
export function readBody(incoming: IncomingMessage, within: number): Promise<Buffer | undefined> {
  const { socket } = incoming
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const finish = (body: Buffer | undefined) => {
      clearTimeout(timer)
      incoming.off('data', onData).off('end', onEnd).off('close', giveUp)
      socket.off('end', onHalfClosed)
      incoming.resume()
      resolve(body)
    }
    const giveUp = () => finish(undefined)
    const onData = (chunk: Buffer) => {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes > largestKept) giveUp()
    }
    const onEnd = () => finish(Buffer.concat(chunks))
    // the connection may stay half open for ever: node tells nobody that the body will never be whole
    const onHalfClosed = () => {
      if (!incoming.complete) giveUp()
    }
    const timer = setTimeout(giveUp, within)
    incoming.on('data', onData).on('end', onEnd).on('close', giveUp).on('error', ignore)
    socket.once('end', onHalfClosed)
    if (incoming.destroyed) giveUp()
    else if (socket.readableEnded) onHalfClosed()
  })
}

const ignore = (): void => {}
