// `postern keygen`: a new session key.
import { randomBytes } from 'node:crypto'

/** Prints 32 random bytes as base64url. @returns the exit code */
export function keygen(out: (line: string) => void): number {
  out(randomBytes(32).toString('base64url'))
  return 0
}
