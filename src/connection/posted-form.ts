// A form that one machine posts to another of our own endpoints, read whole with bounded bytes and time. Owns what counts as one.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PosternError } from '../errors.ts'
import type { RequestView } from '../types.ts'
import { readBody } from './keep-body.ts'

/** Milliseconds. */
const patience = 10_000

/**
 * The fields of an `application/x-www-form-urlencoded` body of at most 64 KiB. Throws PosternError: 'bad-request' where it is none,
 * 'body-too-large' where it says so or is, came too slowly or broke off.
 */
export async function readForm(
  request: RequestView,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<URLSearchParams> {
  const [type = '', ...moreTypes] = request.lines('content-type')
  const isForm = /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type) && moreTypes.length === 0
  if (!isForm || request.lines('content-encoding').length > 0) {
    response.shouldKeepAlive = false // nobody waits for a body that nobody wants
    throw new PosternError('bad-request', 'the body is no posted form')
  }
  if (request.lines('expect').some((line) => /^100-continue$/i.test(line.trim()))) response.writeContinue()
  const body = await readBody(incoming, patience)
  if (body) return new URLSearchParams(body.toString('utf8'))
  response.shouldKeepAlive = false
  throw new PosternError('body-too-large', 'the form is larger than 64 KiB, too slow, or broke off')
}

/** The same request with its form. */
export const withForm = (request: RequestView, form: URLSearchParams): RequestView =>
  Object.create(request, { form: { value: form } }) as RequestView
