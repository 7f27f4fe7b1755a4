// Sealed text: what we hand to a browser and must get back unread and unaltered (session, flow, state). Owns keys and nothing
// else: it does not know what is inside, nor where the text travels.
import { createHmac, hash, hkdfSync } from 'node:crypto'
import { CompactEncrypt, type CompactJWEHeaderParameters, compactDecrypt } from 'jose'
import type { Json } from '../../types.ts'

export interface Sealer {
  /** @param purpose one of a few constants of the code: what is sealed for one purpose opens for no other */
  seal(payload: Json, purpose: string): Promise<string>
  /**
   * undefined: not ours, altered, sealed for another purpose, or with a key we no longer have.
   * @param most characters; what is longer is not looked at. Default: more than three full cookies
   */
  open(text: string, purpose: string, most?: number): Promise<Json | undefined>
  /** HMAC-SHA256 in base64url, 43 characters: by the first key, then by the others. */
  macs(text: string, purpose: string): readonly [string, ...string[]]
}

interface Key {
  readonly kid: string
  /** For one purpose. */
  derive(purpose: string): Uint8Array
}

/** Three full cookies: a browser has nothing of ours that is longer, so nothing longer is worth decrypting. */
const longest = 16_384
const options = { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'], maxDecompressedLength: 0 }

function createKey(text: string): Key {
  const secret = Buffer.from(text, 'base64url')
  if (secret.length !== 32 || secret.toString('base64url') !== text) throw new TypeError('a session key is 32 bytes in base64url')
  const derived = new Map<string, Uint8Array>()
  return {
    kid: hash('sha256', Buffer.concat([Buffer.from('postern kid '), secret]), 'base64url').slice(0, 8),
    derive(purpose) {
      const known = derived.get(purpose)
      if (known) return known
      const key = new Uint8Array(hkdfSync('sha256', secret, '', `postern ${purpose}`, 32))
      derived.set(purpose, key)
      return key
    },
  }
}

/** Base64url leaves bits unused at its end: two texts would be one message, and an altered cookie would open. */
const isCanonical = (text: string): boolean =>
  text.split('.', 6).every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)

/**
 * JWE, direct encryption with A256GCM (RFC 7516, RFC 7518 section 5.3), one key per purpose by HKDF (RFC 5869).
 * @param keys 32 bytes base64url each; the first seals, all open. Throws TypeError where one is not, or there is none.
 */
export function createSealer(keys: readonly string[]): Sealer {
  const known = keys.map(createKey)
  const [first] = known
  if (!first) throw new TypeError('there is no session key')
  return {
    seal(payload, purpose) {
      const jwe = new CompactEncrypt(Buffer.from(JSON.stringify(payload)))
      return jwe.setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: first.kid }).encrypt(first.derive(purpose))
    },
    async open(text, purpose, most = longest) {
      if (text.length > most || !isCanonical(text)) return undefined
      try {
        const { plaintext } = await compactDecrypt(
          text,
          (header: CompactJWEHeaderParameters) => keyFor(known, header.kid).derive(purpose),
          options,
        )
        return JSON.parse(Buffer.from(plaintext).toString('utf8')) as Json
      } catch {
        return undefined // which of the checks failed is nobody's business
      }
    },
    macs(text, purpose) {
      const macOf = (key: Key) =>
        createHmac('sha256', key.derive(`mac ${purpose}`))
          .update(text)
          .digest('base64url')
      return [macOf(first), ...known.slice(1).map(macOf)]
    },
  }
}

function keyFor(keys: readonly Key[], kid: string | undefined): Key {
  const key = keys.find((candidate) => candidate.kid === kid)
  if (!key) throw new Error('sealed with a key that is not ours')
  return key
}
