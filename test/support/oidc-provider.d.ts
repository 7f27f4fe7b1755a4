// The library ships no types: what the tests use of it, and no more.
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface Grant {
    addOIDCScope(scope: string): void
    save(): Promise<string>
  }
  export interface Context {
    type: string
    body: string
    readonly oidc: {
      readonly client: { readonly clientId: string }
      readonly session: { readonly accountId: string; grantIdFor(clientId: string): string | undefined }
      readonly provider: Provider
      readonly params?: Readonly<Record<string, string | undefined>>
    }
  }
  export class Provider {
    constructor(issuer: string, configuration: object)
    readonly Grant: {
      new (properties: { clientId: string; accountId: string }): Grant
      find(id: string): Promise<Grant | undefined>
    }
    on(event: string, listener: (...args: never[]) => void): this
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
    interactionDetails(
      request: IncomingMessage,
      response: ServerResponse,
    ): Promise<{ readonly uid: string; readonly params: Readonly<Record<string, string | undefined>> }>
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: object,
      options: { mergeWithLastSubmission: boolean },
    ): Promise<void>
  }
  export class Prompt {
    constructor(info: { name: string; requestable: boolean })
  }
  export const interactionPolicy: {
    base(): { add(prompt: Prompt, index: number): void }
    readonly Prompt: typeof Prompt
  }
}

declare module 'oidc-provider/lib/adapters/memory_adapter.js' {
  /** An adapter class with a store of its own. */
  export function createMemoryAdapter(clockTolerance: number): object
}
