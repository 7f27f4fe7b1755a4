// Expressions that give a value: what portals receive, and which claims name the person.
import { isClaimName } from '../../expression/claim-name.ts'
import { compileExpression, ExpressionError } from '../../expression/compile.ts'
import { isKnownName } from '../../expression/lint-values.ts'
import { reservedNames } from '../../expression/reads.ts'
import { misspelt } from '../did-you-mean.ts'
import { compiledAt } from '../expression-check.ts'
import type { Path } from '../positions.ts'
import type { Reading } from '../reading.ts'
import type { Config } from '../schema.ts'
import { isSignIn } from '../uris.ts'

export function checkHeaders(config: Config, reading: Reading): void {
  for (const [index, portal] of config.portals.entries()) {
    for (const [name, header] of Object.entries(portal.headers)) {
      const path = ['portals', index, 'headers', name, ...(typeof header === 'string' ? [] : ['value'])]
      const source = typeof header === 'string' ? header : header.value
      if (compiledAt(source, 'value', path, reading)) warnOfMisspelling(source.trim(), path, reading)
    }
  }
}

/** Claims may be called anything, so only what is nearly a name of ours is doubted. `client_id` is a claim of RFC 9068. */
function warnOfMisspelling(source: string, path: Path, { problems }: Reading): void {
  if (!/^[A-Za-z_]\w*$/.test(source) || isKnownName(source) || reservedNames.has(source) || source === 'client_id') return
  const meant = misspelt(source, [...reservedNames])
  if (meant !== undefined)
    problems.warning(
      path,
      `reads a claim ${source}, which is nearly ${meant}`,
      `did you mean ${meant}? Where the claim is meant: claims.${source}`,
    )
}

/** A claim's name, or JSONata over the claims. */
export function checkAttributes(config: Config, reading: Reading): void {
  for (const [index, provider] of config.providers.entries()) {
    if (!isSignIn(provider)) continue
    const keys = ['accountAttribute', 'groupsAttribute', ...(provider.protocol === 'OAUTH2' ? ['subjectAttribute'] : [])]
    for (const key of keys) {
      const value = (provider as unknown as Readonly<Record<string, string>>)[key] ?? ''
      if (value !== '' && !isClaimName(value)) checkAttribute(value, ['providers', index, key], reading)
    }
  }
}

function checkAttribute(value: string, path: Path, reading: Reading): void {
  if (!reading.isFromReference(path)) compiledAt(value, 'value', path, reading)
  else if (!reading.withoutSecrets && !isExpression(value))
    reading.problems.error(path, 'holds what cannot be read as a claim or an expression', 'write the name of a claim')
}

/** A complaint about it would quote it. */
function isExpression(source: string): boolean {
  try {
    return compileExpression(source, 'value') !== undefined
  } catch (error) {
    if (error instanceof ExpressionError) return false
    throw error
  }
}
