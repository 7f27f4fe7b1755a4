// docs/reference.md out of the schema: one table per section.
import { inputSchema, type JsonSchema, shapeOf } from '../src/config/known-keys.ts'

const root = inputSchema()
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const code = (value: unknown): string => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``

function typeOf(schema: JsonSchema): string {
  if (schema.$ref) return schema.$ref.replace('#/$defs/', '')
  if (schema.const === '') return 'empty'
  if (schema.const !== undefined) return code(schema.const)
  if (schema.enum) return schema.enum.map(code).join(' or ')
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`
  const shapes = schema.anyOf ?? schema.oneOf
  if (shapes) return [...new Set(shapes.map(typeOf))].join(' or ')
  if (schema.type === 'object')
    return schema.properties ? 'keys' : `names with ${typeOf(schema.additionalProperties as JsonSchema)}`
  return schema.type === 'string' ? 'text' : (schema.type ?? 'anything')
}

function defaultOf(schema: JsonSchema, isRequired: boolean): string {
  if (isRequired) return 'required'
  if (schema.default === undefined) return ''
  if (schema.default === '') return 'empty'
  const isEmptyObject = JSON.stringify(schema.default) === '{}'
  return isEmptyObject && shapeOf(schema, root)?.properties ? '' : code(schema.default)
}

interface Section {
  readonly title: string
  readonly prefix: string
  readonly schema: JsonSchema
}

/** The rows of an object; objects inside are written as `outer.inner`, lists of objects get a section of their own. */
function rows(schema: JsonSchema, prefix: string): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
    const inner = property.anyOf || property.$ref ? undefined : shapeOf(property, root)
    if (inner?.type === 'object' && inner.properties) return rows(inner, `${prefix}${key}.`)
    const isRequired = schema.required?.includes(key) ?? false
    return [
      `| \`${prefix}${key}\` | ${cell(typeName(key, property))} | ${cell(defaultOf(property, isRequired))} | ${cell(property.description ?? '')} |`,
    ]
  })
}

/** Objects that have a table of their own are called by it. */
const typeName = (key: string, property: JsonSchema): string =>
  /\bkeys\b/.test(typeOf(property)) ? (property.type === 'array' ? `list of ${key}` : key) : typeOf(property)

const table = ({ title, prefix, schema }: Section): string =>
  [
    `## ${title}`,
    '',
    ...(schema.description ? [schema.description, ''] : []),
    '| key | type | default | meaning |',
    '| --- | --- | --- | --- |',
    ...rows(schema, prefix),
    '',
  ].join('\n')

const property = (schema: JsonSchema | undefined, key: string): JsonSchema => schema?.properties?.[key] ?? {}
const described = (schema: JsonSchema | undefined, description: string): JsonSchema => ({ ...schema, description })

function sections(): readonly Section[] {
  const providers = property(root, 'providers').items?.oneOf ?? []
  const portal = property(root, 'portals').items
  const header = property(portal, 'headers').additionalProperties as JsonSchema
  const rule = property(portal, 'rules').items
  return [
    { title: 'server', prefix: '', schema: property(root, 'server') },
    { title: 'session', prefix: '', schema: property(root, 'session') },
    ...providers.map((schema) => {
      const protocol = String(property(schema, 'protocol').const)
      return {
        title: `providers: ${protocol}`,
        prefix: '',
        schema: described(schema, `An entry of \`providers\` with \`protocol: ${protocol}\`, in any case.`),
      }
    }),
    {
      title: 'postLogin',
      prefix: '',
      schema: described(
        property(providers[0], 'postLogin').items,
        "Entries of a provider's `postLogin`: calls made in this order when somebody has signed in. See [accounts.md](accounts.md).",
      ),
    },
    {
      title: 'profiles',
      prefix: '',
      schema: described(
        property(providers[0], 'profiles').items,
        "Entries of a provider's `profiles`. First match wins; no match is refused. See [accounts.md](accounts.md).",
      ),
    },
    { title: 'portals', prefix: '', schema: described(portal, 'Entries of `portals`: the protected applications.') },
    {
      title: 'providers of a portal',
      prefix: '',
      schema: described(
        shapeOf(property(portal, 'providers').items, root),
        "Entries of a portal's `providers`: a name, or these keys. `{ name: FIDO, after: PLAY }` is a second factor.",
      ),
    },
    {
      title: 'enforceLocal',
      prefix: '',
      schema: described(
        shapeOf(property(portal, 'enforceLocal'), root),
        "A portal's `enforceLocal`: `true`, `false`, or these keys.",
      ),
    },
    {
      title: 'routes',
      prefix: '',
      schema: described(property(portal, 'routes').items, "Entries of a portal's `routes`. First match wins."),
    },
    {
      title: 'headers',
      prefix: '',
      schema: described(shapeOf(header, root), "What stands behind a name in a portal's `headers`: JSONata text, or these keys."),
    },
    {
      title: 'rules',
      prefix: '',
      schema: described(
        shapeOf(rule, root),
        'Entries of `rules`: the name of a file in `rulesDir` without `.jsonata`, or these keys.',
      ),
    },
    { title: 'pages', prefix: '', schema: property(root, 'pages') },
  ]
}

const preface = `# Configuration reference

Written by \`npm run generate\` from the schema; do not edit. Unknown keys are errors. \`\${env:NAME}\` and \`\${file:/path}\` may stand in
any text except rules and expressions; the trailing newline of a file is cut. In calls they stand beside holes, and in the quoted
texts of a \`body\`. Names of files are seen from the file that
names them. An entry of \`providers\` may be \`file: play.json\`: the provider written in that file; keys beside \`file\` win.

Beside the sections below, at the top: \`rulesDir\`, ${property(root, 'rulesDir').description?.toLowerCase()} Default: ${code(property(root, 'rulesDir').default)}.
`

const kinds = (): string =>
  [
    '## Kinds of value',
    '',
    '| type | meaning |',
    '| --- | --- |',
    ...Object.entries(root.$defs ?? {})
      .filter(([, schema]) => schema.description)
      .map(([name, schema]) => `| ${name} | ${cell(schema.description ?? '')} |`),
    '',
  ].join('\n')

export const reference = (): string => [preface, ...sections().map(table), kinds()].join('\n')
