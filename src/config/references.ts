// `${env:NAME}` and `${file:/path}` in texts. What comes out of one is a secret from then on, whatever key it stands at.
import { dirname, isAbsolute, resolve } from 'node:path'
import type { Path } from './positions.ts'
import { Reading } from './reading.ts'
import { withinCall } from './references-in-calls.ts'
import { deleteAt, isOff, putAt, texts, valueAt } from './tree.ts'

const reference = /\$\{(env|file):([^}]*)\}/g
/** What people write who expect a shell. */
const shellLike = /\$\{[A-Za-z_][A-Za-z0-9_]*\}/

/** Rules, header expressions and `when` are JSONata, in which `${` means something else. */
const isExpression = (path: Path): boolean =>
  path.includes('rules') ||
  path.at(-1) === 'when' ||
  (path[0] === 'portals' && path[2] === 'headers') ||
  (path[0] === 'providers' && (path[2] === 'loginHint' || (path[2] === 'verify' && path[3] === 'equals'))) ||
  (path[0] === 'providers' && path[2] === 'postLogin' && path[4] === 'set') ||
  (path[0] === 'providers' && path[2] === 'profiles' && /^(account|groups|attributes)$/.test(String(path[4])))

/** Whoever is disabled may still lack its secrets. */
const isOfDisabled = (tree: unknown, path: Path): boolean =>
  path[0] === 'providers' && path[2] !== 'enabled' && isOff(valueAt(tree, [...path.slice(0, 2), 'enabled']))

/** Expands every reference in place. */
export async function expandReferences(tree: unknown, reading: Reading): Promise<void> {
  const standIns = new Map<string, string>()
  // first what says whether a provider is enabled: its other references depend on it
  const all = [...texts(tree)].sort((a, b) => Number(b.path.at(-1) === 'enabled') - Number(a.path.at(-1) === 'enabled'))
  for (const { path, value } of all) {
    const within = withinCall(path, value)
    const misplaced = isExpression(path) ? value.search(reference) : (within?.misplaced ?? -1)
    if (isExpression(path) || misplaced >= 0) refuseAt(misplaced, path, value, reading, within?.advice)
    else if (value.search(reference) >= 0) {
      const text = await expanded(path, value, reading, {
        standIns,
        mayLack: isOfDisabled(tree, path),
        written: within?.written ?? asItIs,
      })
      if (text === undefined) deleteAt(tree, path)
      else putAt(tree, path, text)
    } else warnOfForgottenReference(path, value, reading)
  }
}

/** Whole texts that are no secret but say where one lies. */
const isSecret = (path: Path): boolean => ['clientSecret', 'sharedSecret', 'adminToken'].includes(String(path.at(-1)))
const fileLike = /^(~|\.{1,2})?(\/[\w.@-]+)+$/
/** A secret made of letters and slashes could look like a file name, too: only what lies where secrets lie is repeated. */
const isTelling = (value: string): boolean => /^(\.{1,2}|\/(run|etc|var|mnt|opt|home|srv|secrets?|vault|app))\//.test(value)

function warnOfForgottenReference(path: Path, value: string, { problems }: Reading): void {
  const text = value.trim()
  if (isSecret(path) && fileLike.test(text))
    problems.warning(
      path,
      'looks like a file name but is taken as it stands',
      `write \${file:${isTelling(text) ? text : '/run/secrets/NAME'}}`,
    )
  else if (isSecret(path) && /^file:/.test(text))
    problems.warning(path, 'looks like a reference but is taken as it stands', 'write ${file:/path} for what a file holds')
  else if (shellLike.test(value) || (isSecret(path) && /^(\$[A-Za-z_]\w*$|env:)/.test(text)))
    problems.warning(path, 'looks like a reference but is taken as it stands', 'write ${env:NAME} for an environment variable')
}

function refuseAt(
  at: number,
  path: Path,
  value: string,
  reading: Reading,
  advice = 'take it out: expressions see the facts only',
): void {
  if (at < 0) return
  const place = reading.problems.positions.locateInside(path, value, at)
  reading.problems.error(path, 'references are not expanded in rules and expressions', advice, place)
  reading.problems.settle(path)
}

interface Expanding {
  readonly standIns: Map<string, string>
  /** What cannot be resolved is left out instead of complained about. */
  readonly mayLack: boolean
  /** How what was found is put into the text. */
  readonly written: (found: string) => string
}
const asItIs = (found: string): string => found

/** Undefined where it may lack and does. */
async function expanded(
  path: Path,
  value: string,
  reading: Reading,
  { standIns, mayLack, written }: Expanding,
): Promise<string | undefined> {
  let result = ''
  let from = 0
  for (const match of value.matchAll(reference)) {
    const [whole, kind = '', name = ''] = match
    const found = reading.withoutSecrets === true ? undefined : await resolved(kind, name.trim(), path, reading, mayLack)
    if (found === undefined && mayLack && reading.withoutSecrets !== true) return undefined
    result += value.slice(from, match.index) + written(found ?? standIn(whole, standIns))
    from = match.index + whole.length
  }
  reading.markFromReference(path)
  return result + value.slice(from)
}

/** The same reference is the same stand-in, so that names still meet. */
function standIn(whole: string, standIns: Map<string, string>): string {
  const known = standIns.get(whole) ?? `reference-${standIns.size + 1}-without-secret`
  standIns.set(whole, known)
  return known
}

/** Undefined where there is nothing, with the problem said, unless stand-ins are wanted. */
async function resolved(kind: string, name: string, path: Path, reading: Reading, mayLack: boolean): Promise<string | undefined> {
  const missing = (message: string, advice: string): undefined => {
    if (mayLack || reading.withoutSecrets === 'missing') return undefined
    reading.problems.error(path, message, advice)
    reading.problems.settle(path)
    return undefined
  }
  if (name === '')
    return missing(
      `the reference names no ${kind === 'env' ? 'variable' : 'file'}`,
      `write \${${kind}:${kind === 'env' ? 'NAME' : '/path'}}`,
    )
  if (kind === 'env')
    return reading.env[name] ?? missing(`the environment variable ${name} is not set`, 'set it, or check with --without-secrets')
  const file = Reading.nameFrom(reading.problems.positions.fileOf(path), name)
  const read = await reading.text(file)
  if ('trouble' in read)
    return missing(
      `the file ${file} ${read.trouble}${isAbsolute(file) ? '' : ` (looked for in ${dirname(resolve(file))})`}`,
      creating(file, path),
    )
  return read.text.replace(/[\r\n]+$/, '')
}

function creating(file: string, path: Path): string {
  const isKey = path[0] === 'session' && path[1] === 'keys'
  return `create it${isKey ? `: postern keygen > ${file}` : ''}, or check with --without-secrets`
}
