// Certificates and keys: PEM text as it is, or the name of a file that holds it. Checked here, so that no start finds out later.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Path } from './positions.ts'
import { Reading } from './reading.ts'
import { matching, putAt, type Tree, valueAt } from './tree.ts'

type Kind = 'certificates' | 'key' | 'key or JWK'
const places: readonly (readonly [pattern: string, kind: Kind])[] = [
  ['server.tls.cert', 'certificates'],
  ['server.tls.key', 'key'],
  ['server.tls.clientCa', 'certificates'],
  ['providers.*.clientKey', 'key or JWK'],
  ['providers.*.tls.ca', 'certificates'],
  ['server.stateTls.ca', 'certificates'],
  ['server.stateTls.cert', 'certificates'],
  ['server.stateTls.key', 'key'],
  ['session.storeTls.ca', 'certificates'],
  ['session.storeTls.cert', 'certificates'],
  ['session.storeTls.key', 'key'],
  ['portals.*.upstreamTls.ca', 'certificates'],
  ['portals.*.upstreamTls.cert', 'certificates'],
  ['portals.*.upstreamTls.key', 'key'],
]

/** Puts the PEM text where a file is named. */
export async function readPems(tree: Tree, reading: Reading): Promise<void> {
  for (const [pattern, kind] of places) {
    for (const { path, value } of matching(tree, pattern)) {
      if (typeof value !== 'string' || value.trim() === '' || reading.problems.isSettled(path)) continue
      if (reading.withoutSecrets) {
        putAt(tree, path, 'left out')
        reading.markFromReference(path)
      } else await readPem(tree, path, value, kind, reading)
    }
  }
  if (!reading.withoutSecrets)
    for (const pattern of ['server.tls', 'server.stateTls', 'session.storeTls', 'portals.*.upstreamTls'])
      for (const { path } of matching(tree, pattern)) checkPair(tree, path, reading)
}

const isWritten = (value: string, kind: Kind): boolean =>
  value.includes('-----BEGIN ') || (kind === 'key or JWK' && value.trimStart().startsWith('{'))

async function readPem(tree: Tree, path: Path, value: string, kind: Kind, reading: Reading): Promise<void> {
  const text = isWritten(value, kind) ? value : await fromFile(path, value, reading)
  if (text === undefined) return reading.problems.settle(path)
  putAt(tree, path, text)
  // the text may be a secret from here on, wherever it came from
  reading.markFromReference(path)
  const wrong = kind === 'certificates' ? certificateTrouble(text) : keyTrouble(text, kind)
  if (wrong === undefined) return
  reading.problems.error(path, ...wrong)
  reading.problems.settle(path)
}

async function fromFile(path: Path, value: string, reading: Reading): Promise<string | undefined> {
  const read = value.includes('\n')
    ? { trouble: 'is none' }
    : await reading.text(Reading.nameFrom(reading.problems.positions.fileOf(path), value))
  if ('text' in read) return read.text
  reading.problems.error(
    path,
    `is no PEM text, and a file of that name ${read.trouble}`,
    'name a readable file, or put the PEM text here',
  )
  return undefined
}

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g
function certificateTrouble(text: string): readonly [string, string] | undefined {
  const found = text.match(certificate) ?? []
  try {
    for (const one of found) new X509Certificate(one)
  } catch {
    return ['holds a damaged certificate', 'export it again as PEM']
  }
  return found.length > 0 ? undefined : ['holds no certificate', 'name a PEM file with -----BEGIN CERTIFICATE-----']
}

function keyTrouble(text: string, kind: Kind): readonly [string, string] | undefined {
  try {
    if (kind === 'key or JWK' && text.trimStart().startsWith('{')) createPrivateKey({ key: JSON.parse(text), format: 'jwk' })
    else createPrivateKey(text)
    return undefined
  } catch {
    return ['holds no usable private key', 'name a PEM file with an unencrypted private key']
  }
}

function checkPair(tree: Tree, path: Path, reading: Reading): void {
  const [cert, key] = [valueAt(tree, [...path, 'cert']), valueAt(tree, [...path, 'key'])]
  if (typeof cert !== 'string' || typeof key !== 'string') return
  if (reading.problems.isSettled([...path, 'cert']) || reading.problems.isSettled([...path, 'key'])) return
  if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return
  reading.problems.error([...path, 'key'], 'does not belong to the certificate', 'name the key the certificate was made for')
}
