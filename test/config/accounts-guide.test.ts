// The snippets of docs/accounts.md are what people copy.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { minimal, problemsOf } from './configuration.ts'

const snippets = [...readFileSync('docs/accounts.md', 'utf8').matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text = '']) => text)

function wholeOf(snippet: string): string {
  const { server, providers, ...keys } = parse(snippet) as Record<string, unknown> & { providers?: object[]; server?: object }
  const whole = parse(minimal) as { server: object; providers: object[] }
  const provider = { ...whole.providers[0], ...(providers?.[0] ?? keys) }
  return JSON.stringify({ ...whole, server: { ...whole.server, ...server }, providers: [provider] })
}

describe('docs/accounts.md', () => {
  it('has snippets', () => expect(snippets.length).toBeGreaterThan(4))

  it.each(snippets)('shows what loads without a warning: %s', async (snippet) => {
    expect(await problemsOf(wholeOf(snippet), { env: { XURRENT_TOKEN: 'a-token', API_KEY: 'a-key' } })).toEqual([])
  })
})
