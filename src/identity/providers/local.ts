// The portal's own sign-in as a choice beside the others. It knows nobody: what the portal asks is the portal's business.
import type { Provider } from '../../types.ts'

export interface LocalOptions {
  readonly name: string
  readonly label: string
  readonly credentialsName?: string
}

/** Neither recognizes anybody nor sends anybody away: choosing it is all there is. */
export function createLocalProvider({ name, label, credentialsName }: LocalOptions): Provider {
  return {
    name,
    protocol: 'LOCAL',
    label,
    ...(credentialsName === undefined ? {} : { credentialsName }),
    status: () => ({ state: 'ready' }),
  }
}
