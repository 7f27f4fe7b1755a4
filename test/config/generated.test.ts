// What follows from the schema is kept in step with it, and the shipped example is good.
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { generate, outdated } from '../../deploy/generate.ts'
import { reference } from '../../deploy/reference.ts'
import { editorSchema } from '../../src/config/editor-schema.ts'
import { inputSchema, type JsonSchema } from '../../src/config/known-keys.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { OidcConfig } from '../../src/config/schema.ts'
import { compilePattern } from '../../src/destination/find-portal.ts'
import { key } from './configuration.ts'

const repository = new URL('../../', import.meta.url)

/** Every key with a description-less schema, as `a.b`. */
function undescribed(schema: JsonSchema, path: string): readonly string[] {
  const below = [...Object.entries(schema.properties ?? {}), ...(schema.items ? [['[]', schema.items] as const] : [])]
  const shapes = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((shape) => undescribed(shape, path))
  return [
    ...shapes,
    ...below.flatMap(([name, inner]) => [
      ...(inner.description || name === '[]' || name === 'protocol' ? [] : [`${path}.${name}`]),
      ...undescribed(inner, `${path}.${name}`),
    ]),
  ]
}

describe('the generated files', () => {
  it('are what the schema says', async () => {
    expect(await outdated(repository)).toEqual([])
  })

  it('are noticed when they are not', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-generated-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const root = pathToFileURL(`${folder}/`)
    await generate(root)
    expect(await outdated(root)).toEqual([])
    writeFileSync(join(folder, 'docs/reference.md'), '# something else\n')
    expect(await outdated(root)).toEqual(['docs/reference.md'])
  })

  it('explain every key', () => {
    expect(undescribed(inputSchema(), '')).toEqual([])
  })

  it('list every section with its defaults', () => {
    const text = reference()
    for (const title of [
      'server',
      'session',
      'providers: OIDC',
      'providers: OAUTH2',
      'providers: WEBSEAL',
      'providers: LOCAL',
      'postLogin',
      'profiles',
      'portals',
      'providers of a portal',
      'enforceLocal',
      'routes',
      'headers',
      'rules',
      'pages',
    ])
      expect(text).toContain(`\n## ${title}\n`)
    expect(text).toContain('| `timeouts.connect` | duration | `5s` | To open a connection to the portal. |')
    expect(text).toContain('| `upstream` | origin | required |')
  })

  it('let an editor accept what the loader folds: any case, templates, references, files', () => {
    const schema = JSON.stringify(editorSchema())
    for (const word of ['^[Oo][Ii][Dd][Cc]$', 'stxAccountAttribute', '(env|file)', 'JSON or YAML file with one provider'])
      expect(schema).toContain(word)
  })
})

describe('config/postern.yaml', () => {
  it('loads without a warning and has about twenty lines', async () => {
    const env = { POSTERN_SESSION_KEY: key, PLAY_CLIENT_SECRET: 'secret' }
    const { warnings, config } = await loadConfig('config/postern.yaml', { env })
    expect(warnings).toEqual([])
    expect(config.portals).toHaveLength(1)
    expect(readFileSync('config/postern.yaml', 'utf8').split('\n').length).toBeLessThan(25)
  })

  it('is found in the folder of the installed package too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'postern-example-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    for (const part of ['config', 'rules']) cpSync(part, join(folder, part), { recursive: true })
    await expect(loadConfig(join(folder, 'config/postern.yaml'), { env: {}, withoutSecrets: true })).resolves.toBeDefined()
  })
})

describe('config/examples', () => {
  const matcher = (pattern: string) => compilePattern(pattern, { pathCase: 'sensitive', closingSlash: false })
  const loaded = (file: string) =>
    loadConfig(`config/examples/${file}`, {
      env: { POSTERN_SESSION_KEY: key, PLAY_CLIENT_SECRET: 's', XURRENT_TOKEN: 'a-token' },
    })

  it('all load without a warning', async () => {
    const files = globSync('config/examples/**/*.yaml').map((file) => file.slice('config/examples/'.length))
    expect(files.length).toBeGreaterThan(1)
    for (const file of files) expect((await loaded(file)).warnings, file).toEqual([])
  })

  it('xtrf.yaml blocks the six end points at each portal, also below the path that is open to API tokens', async () => {
    const { config } = await loaded('xtrf.yaml')
    expect(config.portals.map(({ name }) => name)).toEqual(['home', 'vendor', 'client'])
    for (const portal of config.portals) {
      const access = (method: string, path: string) =>
        portal.routes.find((route) => (route.methods?.includes(method) ?? true) && matcher(route.path)(path))?.access
      for (const [method, path] of [
        ['POST', '/customers/17/persons'],
        ['POST', '/system/mail/resetPassword'],
        ['POST', '/system/login'],
        ['POST', '/system/account/password'],
        ['PUT', '/system/account/password'],
        ['POST', '/system/validateToken'],
      ] as const) {
        expect([method, path, access(method, path)]).toEqual([method, path, 'blocked'])
        expect(access(method, `/customer-api${path}`)).toBe('blocked')
        expect(access('GET', path)).toBeUndefined()
      }
      expect(access('GET', '/customer-api/projects')).toBe('public')
    }
  })

  it('apio-core.yaml and xurrent.yaml shape people, and xurrent.yaml creates them', async () => {
    const profilesOf = async (file: string) => ((await loaded(file)).config.providers[0] as OidcConfig).profiles ?? []
    expect((await profilesOf('apio-core.yaml')).map(({ name }) => name)).toEqual(['administrators', 'staff', 'partners'])
    for (const { provision } of await profilesOf('xurrent.yaml'))
      expect(provision).toMatchObject({ method: 'PUT', headers: { authorization: 'Bearer a-token' }, timeout: 10_000 })
  })

  it("s360 takes the other product's template and offers the portal's own form beside it", async () => {
    const { config } = await loaded('s360/postern.yaml')
    expect(config.providers).toMatchObject([
      {
        name: 'PLAY',
        default: true,
        accountAttribute: 'email',
        callbackUrl: 'https://s360.company.com/cas/login?client_name=PLAY',
      },
      { name: 'form', protocol: 'LOCAL', default: false },
    ])
  })
})
