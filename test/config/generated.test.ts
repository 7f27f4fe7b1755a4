// What follows from the schema is kept in step with it, and the shipped example is good.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { generate, outdated } from '../../deploy/generate.ts'
import { reference } from '../../deploy/reference.ts'
import { editorSchema } from '../../src/config/editor-schema.ts'
import { inputSchema, type JsonSchema } from '../../src/config/known-keys.ts'
import { loadConfig } from '../../src/config/load.ts'
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
      'providers: WEBSEAL',
      'portals',
      'routes',
      'headers',
      'rules',
      'pages',
    ])
      expect(text).toContain(`\n## ${title}\n`)
    expect(text).toContain('| `timeouts.connect` | duration | `5s` | To open a connection to the portal. |')
    expect(text).toContain('| `clientId` | text | required |')
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
