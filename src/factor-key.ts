// Under which name a session remembers a second factor. A word: decide asks by it, identity writes it down.
import type { Provider } from './types.ts'

/** With the provider's fingerprint: under another issuer, client or account claim the same name is another factor. */
export const factorKey = ({ name, fingerprint }: Pick<Provider, 'name' | 'fingerprint'>): string =>
  fingerprint === undefined ? name : `${name} ${fingerprint}`
