// How a kept form is encrypted: with a key of its own, which only the browser has. Knows bytes; neither places, times nor people.
import { randomBytes } from 'node:crypto'
import type { KeptRequest } from './kept-request.ts'

/** undefined: no key of ours. */
export function keyOf(text: string | undefined): Buffer<ArrayBuffer> | undefined {
  const key = Buffer.from(text ?? '', 'base64url')
  return key.length === 32 ? key : undefined
}

const ivLength = 12

/** AES-256-GCM (NIST SP 800-38D): the initialization vector, then the rest. A key is used for one message only. */
export async function seal(kept: KeptRequest, slot: string, key: Buffer<ArrayBuffer>): Promise<Uint8Array> {
  const iv = randomBytes(ivLength)
  const secret = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt'])
  const sealed = await crypto.subtle.encrypt(algorithm(iv, slot), secret, Buffer.from(JSON.stringify(kept)))
  return Buffer.concat([iv, Buffer.from(sealed)])
}

export async function open(sealed: Uint8Array, slot: string, key: Buffer<ArrayBuffer>): Promise<KeptRequest | undefined> {
  try {
    const secret = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
    const iv = sealed.slice(0, ivLength)
    const text = await crypto.subtle.decrypt(algorithm(iv, slot), secret, sealed.slice(ivLength))
    return JSON.parse(Buffer.from(text).toString('utf8')) as KeptRequest
  } catch {
    return undefined // another key
  }
}

const algorithm = (iv: Uint8Array, slot: string) => ({
  name: 'AES-GCM',
  iv: new Uint8Array(iv),
  additionalData: Buffer.from(slot),
})
