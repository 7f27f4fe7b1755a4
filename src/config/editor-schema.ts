// The JSON Schema for editors: what the schema checks, plus what load.ts folds and expands before.
import { inputSchema, type JsonSchema } from './known-keys.ts'

type Mutable = Record<string, unknown>

const reference = {
  type: 'string',
  pattern: '\\$\\{(env|file):[^}]+\\}',
  description: 'A reference: ${env:NAME} or ${file:/path}.',
}

export function editorSchema(): JsonSchema {
  const schema = withReferences(inputSchema()) as Mutable
  const properties = schema['properties'] as Mutable
  const providers = properties['providers'] as Mutable
  const { oneOf, ...item } = providers['items'] as { readonly oneOf: readonly Mutable[] }
  providers['items'] = { ...item, anyOf: [...oneOf.map(asWritten), includedProvider] }
  return { $schema: schema['$schema'], title: 'Postern', ...schema } as JsonSchema
}

const includedProvider = {
  type: 'object',
  properties: {
    file: { type: 'string', description: 'JSON or YAML file with one provider, seen from this file. Keys beside it win.' },
  },
  required: ['file'],
}

/** The protocol in any case, and the keys of other products' templates. */
function asWritten(provider: Mutable): Mutable {
  const properties = { ...(provider['properties'] as Mutable) }
  const { const: word } = properties['protocol'] as { readonly const: string }
  const anyCase = [...word].map((letter) => `[${letter}${letter.toLowerCase()}]`).join('')
  properties['protocol'] = { anyOf: [{ const: word }, { type: 'string', pattern: `^${anyCase}$` }] }
  if (properties['accountAttribute'])
    properties['stxAccountAttribute'] = {
      ...(properties['accountAttribute'] as Mutable),
      description: 'The same as accountAttribute.',
    }
  return { ...provider, properties }
}

/** Wherever text of a certain form is asked for, a reference may stand. */
function withReferences(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => withReferences(item))
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, withReferences(inner, name)])) as Mutable
  if (key === 'propertyNames' || copy['type'] !== 'string' || !(copy['pattern'] ?? copy['enum'] ?? copy['allOf'])) return copy
  const { description, default: byDefault, ...form } = copy
  return {
    ...(description !== undefined && { description }),
    ...(byDefault !== undefined && { default: byDefault }),
    anyOf: [form, reference],
  }
}
