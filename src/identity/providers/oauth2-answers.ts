// What OAuth 2.0 providers answer, made into what RFC 6749 says they answer. It judges nobody.
import type { CustomFetch } from 'openid-client'

/**
 * Calls of one provider. Its token endpoint may answer with a form instead of JSON, with an error under 200 (GitHub), without
 * `token_type` (LinkedIn), or with an ID token that nobody asked for and nobody here could check: that one is left out.
 */
export function plainAnswers(ask: CustomFetch, tokenEndpoint: string): CustomFetch {
  return async (url, init) => {
    const answer = await ask(url, init)
    if (url !== tokenEndpoint || init.method !== 'POST') return answer
    const text = await answer.text()
    const said = fromJson(text) ?? fromForm(text, answer)
    if (!said) return new Response(text, answer)
    const { id_token: _, ...rest } = said
    const isError = typeof rest['error'] === 'string' && rest['access_token'] === undefined
    const body = isError ? rest : { token_type: 'bearer', ...rest }
    const status = isError && answer.status === 200 ? 400 : answer.status
    return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
  }
}

function fromForm(text: string, answer: Response): Record<string, unknown> | undefined {
  if (!/^application\/x-www-form-urlencoded\b/i.test(answer.headers.get('content-type') ?? '')) return undefined
  return Object.fromEntries(new URLSearchParams(text))
}

/** An object, or undefined: a list or a text says nothing of anybody. */
export function fromJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
  } catch {
    return undefined
  }
}
