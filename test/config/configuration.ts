// A folder with a configuration in it, for one test.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Loaded, type LoadOptions, loadConfig } from '../../src/config/load.ts'
import { ConfigError, type Problem } from '../../src/errors.ts'

export const key = Buffer.alloc(32, 7).toString('base64url')

/** The least that loads; what is given is put below it. */
export const minimal = `
server: { publicUrl: "https://home.company.com" }
session: { keys: [${key}] }
providers:
  - { name: PLAY, protocol: OIDC, issuer: "https://idp.company.com", clientId: portal }
portals:
  - { name: home, upstream: "http://127.0.0.1:8081", providers: [PLAY] }
`

/** Writes the files and returns the name of the first. */
export function written(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return join(folder, Object.keys(files)[0] ?? '')
}

export const load = (text: string, options: LoadOptions = {}, beside: Readonly<Record<string, string>> = {}): Promise<Loaded> =>
  loadConfig(written({ 'postern.yaml': text, ...beside }), { env: {}, ...options })

/** What is wrong, as `key: message`; warnings too. */
export async function complaints(
  text: string,
  options: LoadOptions = {},
  beside: Readonly<Record<string, string>> = {},
): Promise<readonly string[]> {
  return (await problemsOf(text, options, beside)).map(({ key: at, message }) => `${at}: ${message}`)
}

export async function problemsOf(
  text: string,
  options: LoadOptions = {},
  beside: Readonly<Record<string, string>> = {},
): Promise<readonly Problem[]> {
  try {
    return (await load(text, options, beside)).warnings
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}
