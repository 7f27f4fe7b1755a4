// A secret is never printed, by no command and in no error, wherever it stands and however wrong it is.
import { describe, expect, it } from 'vitest'
import { check } from '../../src/commands/check.ts'
import type { JsonSchema } from '../../src/config/known-keys.ts'
import { inputSchema, shapeOf } from '../../src/config/known-keys.ts'
import { Reading } from '../../src/config/reading.ts'
import { ConfigError } from '../../src/errors.ts'
import { key, written } from './configuration.ts'

const canary = 'canary-7f3a'
type Tree = Record<string, unknown>
const base = (): Tree => ({
  server: { publicUrl: 'https://home.company.com', timeouts: {} },
  session: { keys: [key], cookie: {} },
  providers: [
    { name: 'PLAY', protocol: 'OIDC', issuer: 'https://idp.company.com', clientId: 'portal' },
    { name: 'HUB', protocol: 'OAUTH2', clientId: 'portal' },
    { name: 'WS', protocol: 'WEBSEAL', trustedSourceIps: ['192.0.2.1'] },
  ],
  portals: [
    {
      name: 'home',
      upstream: 'https://127.0.0.1:8081',
      providers: ['PLAY', 'WS', { name: 'FIDO', after: 'PLAY' }],
      upstreamTls: {},
      session: {},
      healthCheck: {},
      headers: {},
      routes: [{ path: '/a' }],
      rules: [{ name: 'a', when: "account = 'a'" }],
    },
  ],
  pages: {},
})

/** Every place of the schema at which a text may stand, as paths. */
function places(
  schema: JsonSchema,
  value: unknown,
  path: readonly (string | number)[],
  root: JsonSchema,
): readonly (readonly (string | number)[])[] {
  const shape = shapeOf(schema, root, value)
  if (shape?.properties && typeof value !== 'string') {
    return Object.entries(shape.properties).flatMap(([name, inner]) =>
      places(inner, (value as Tree | undefined)?.[name], [...path, name], root),
    )
  }
  if (shape?.items) {
    const items = Array.isArray(value) && value.length > 0 ? value : [undefined]
    return items.flatMap((item, index) => places(shape.items as JsonSchema, item, [...path, index], root))
  }
  return [path]
}
const root = inputSchema()
const all = places(root, base(), [], root)

function putInto(tree: Tree, path: readonly (string | number)[], value: unknown): Tree {
  let at = tree as Record<string | number, unknown>
  for (const [index, part] of path.slice(0, -1).entries()) {
    at[part] ??= typeof path[index + 1] === 'number' ? [] : {}
    at = at[part] as Record<string | number, unknown>
  }
  at[path.at(-1) ?? ''] = value
  return tree
}

async function printed(tree: Tree, env: Record<string, string>): Promise<string> {
  const lines: string[] = []
  const print = (line: string) => void lines.push(line)
  await check(
    {
      config: written({ 'postern.yaml': JSON.stringify(tree), 'secret.txt': `${canary}\n` }),
      online: false,
      withoutSecrets: false,
      env,
    },
    print,
    print,
  )
  return lines.join('\n')
}

describe('a secret from the environment or a file', () => {
  it('covers every key of the schema', () => {
    expect(all.length).toBeGreaterThan(90)
    expect(all).toContainEqual(['providers', 0, 'clientSecret'])
    expect(all).toContainEqual(['session', 'keys', 0])
  })

  const values = [
    canary,
    `${canary}\nsecond line`,
    `https://user:${canary}@host/path`,
    `10.0.0.0/${canary}`,
    `-----BEGIN PRIVATE KEY-----\n${canary}`,
  ]
  it.each(all.map((path) => [path.join('.'), path] as const))('is not printed where it stands at %s', async (_, path) => {
    for (const value of values) expect(await printed(putInto(base(), path, '${env:X}'), { X: value })).not.toContain(canary)
    expect(await printed(putInto(base(), path, 'a ${file:secret.txt}'), {})).not.toContain(canary)
  })

  it('is not printed where names of it do not meet', async () => {
    const tree = putInto(putInto(base(), ['portals', 0, 'providers', 1], '${env:X}'), ['providers', 1, 'name'], `${canary}s`)
    expect(await printed(putInto(base(), ['portals', 0, 'providers', 1], '${env:X}'), { X: canary })).toContain(
      'what the reference holds',
    )
    expect(await printed(tree, { X: canary })).not.toContain(`"${canary}"`)
  })

  it('is not in the error that a start throws', async () => {
    const { loadConfig } = await import('../../src/config/load.ts')
    const file = written({ 'postern.yaml': JSON.stringify(putInto(base(), ['session', 'keys', 0], '${env:X}')) })
    const error = await loadConfig(file, { env: { X: canary } }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ConfigError)
    expect(JSON.stringify(error) + String(error) + String((error as Error).stack)).not.toContain(canary)
  })
})

describe('a secret written straight into the file', () => {
  it.each([
    ['a quote that is not closed', `session:\n  keys: ["${canary}]\n`],
    ['an alias', `session:\n  keys: [*${canary}]\n`],
    ['a tag', `session:\n  keys: [!${canary} x]\n`],
    ['a bad escape', `session:\n  keys: ["\\${canary}"]\n`],
    ['a tab', `session:\n\tkeys: [${canary}]\n`],
    ['text where keys belong', `session: ${canary}\nserver: ${canary}\nproviders: ${canary}\nportals: [${canary}]\n`],
    ['a wrong type', `providers: [{ name: A, protocol: OIDC, clientSecret: [${canary}], clientAuthentication: ${canary} }]\n`],
    ['a protocol', `providers: [{ name: A, protocol: ${canary} }]\n`],
  ])('is not printed with %s', async (_, text) => {
    const lines: string[] = []
    const print = (line: string) => void lines.push(line)
    expect(
      await check({ config: written({ 'postern.yaml': text }), online: false, withoutSecrets: false, env: {} }, print, print),
    ).toBe(1)
    expect(lines.join('\n')).not.toContain(canary)
  })
})

describe('what a message may show', () => {
  it('is what was written, never what a reference gave, nor anything below it', () => {
    const reading = new Reading({ env: {}, withoutSecrets: false, now: 0 })
    reading.markFromReference(['a', 0])
    expect(reading.show(['a', 1], 'plain')).toBe('"plain"')
    expect(reading.show(['a', 0], 'plain')).toBe('what the reference holds')
    expect(reading.show(['a', 0, 'b'], 'plain')).toBe('what the reference holds')
  })
})
