// How the identity provider is asked: through which proxy, trusting which CA, how much is read of what it says.
import type { CustomFetch, CustomFetchOptions } from 'openid-client'
import { Agent, type Dispatcher, EnvHttpProxyAgent, fetch } from 'undici'

/** The provider could not be asked, or said that it cannot answer: nobody's fault who is signing in. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
  /** Seconds. */
  readonly retryAfter?: number
  /** What it answered; absent: nothing. */
  readonly status?: number
  constructor(message: string, options?: ErrorOptions & { retryAfter?: number; status?: number }) {
    super(message, options)
    if (options?.retryAfter !== undefined) this.retryAfter = options.retryAfter
    if (options?.status !== undefined) this.status = options.status
  }
}

/**
 * Carries the redirect URI through openid-client to the token request: openid-client 6.8 sends the callback without its
 * query there, and a provider that compares exactly refuses (RFC 6749 section 4.1.3).
 */
export const exactRedirectUri = 'postern_redirect_uri'

/** A key set, a token or a userinfo answer is some KiB; a bomb is not (decompressed size). */
const mostBytes = 1024 * 1024

export interface ProviderFetch {
  readonly ask: CustomFetch
  close(): Promise<void>
}

/** `egressProxy` is an http(s) URL; loopback and `noProxy` (comma-separated) go direct. `ca` replaces the public CAs. */
export function createProviderFetch(options: { ca?: string; egressProxy?: string; noProxy?: string }): ProviderFetch {
  const dispatcher = dispatcherOf(options)
  return {
    ask: async (url, init) => {
      mendRedirectUri(init)
      const answer = await whole(url, init, dispatcher)
      if (answer.status >= 500 || answer.status === 429) throw troubled(url, answer)
      return answer
    },
    close: () => dispatcher.close(),
  }
}

/** Of undici, for the way there. */
export function dispatcherOf({ ca, egressProxy, noProxy }: Parameters<typeof createProviderFetch>[0]): Dispatcher {
  const tls = ca === undefined ? {} : { connect: { ca }, requestTls: { ca } }
  if (egressProxy === undefined) return new Agent(tls)
  const direct = ['localhost', '127.0.0.1', '::1', ...(noProxy ? [noProxy] : [])].join(',')
  return new EnvHttpProxyAgent({ ...tls, httpProxy: egressProxy, httpsProxy: egressProxy, noProxy: direct })
}

function mendRedirectUri({ body }: CustomFetchOptions): void {
  if (!(body instanceof URLSearchParams)) return
  const exact = body.get(exactRedirectUri)
  if (exact === null) return
  body.delete(exactRedirectUri)
  body.set('redirect_uri', exact)
}

async function whole(url: string, init: CustomFetchOptions, dispatcher: Dispatcher): Promise<Response> {
  try {
    const answer = await fetch(url, { ...(init as object), dispatcher })
    const bytes = await readCapped(answer.body)
    const empty = answer.status === 204 || answer.status === 205 || answer.status === 304
    return new Response(empty ? null : bytes, { status: answer.status, headers: [...answer.headers] })
  } catch (error) {
    throw new Unreachable(`${placeOf(url)}: ${causeOf(error)}`, { cause: error })
  }
}

/** Throws where there is more than 1 MiB of it, unpacked. */
export async function readCapped(body: AsyncIterable<Uint8Array> | null): Promise<Buffer<ArrayBuffer>> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of body ?? []) {
    size += part.byteLength
    if (size > mostBytes) throw new Error(`answer over ${mostBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function troubled(url: string, answer: Response): Unreachable {
  const after = Number(answer.headers.get('retry-after') ?? Number.NaN)
  const retryAfter = Number.isInteger(after) && after >= 0 && after <= 3600 ? { retryAfter: after } : {}
  return new Unreachable(`${placeOf(url)} answered ${answer.status}`, { ...retryAfter, status: answer.status })
}

/** Without query: it is ours to log. */
function placeOf(url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + pathname
}

/** ECONNREFUSED, CERT_HAS_EXPIRED, …: the code is what an operator searches for. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  if (error.name === 'TimeoutError') return 'no answer in time'
  const { code } = (error.cause ?? {}) as { code?: unknown }
  if (typeof code === 'string') return code
  return error.cause instanceof Error ? error.cause.message : error.message
}
