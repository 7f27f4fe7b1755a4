// What outlives a process, opened where the configuration first names it and kept until the process ends.
import type { Loaded } from '../config/load.ts'
import { ConfigError, PosternError } from '../errors.ts'
import type { Log } from '../log.ts'
import { openState } from '../state/open.ts'
import type { StateStore } from '../state.ts'
import type { Clock } from '../types.ts'

export interface States {
  /** Of `server.state`, if it is set. Throws ConfigError where it cannot be opened. */
  of(loaded: Loaded): StateStore | undefined
  close(): Promise<void>
}

/** A generation that is going may still be at work on its own: none is closed before the end. */
export function createStates(parts: { readonly clock: Clock; readonly log: Log }): States {
  const opened = new Map<string, StateStore>()
  return {
    of(loaded) {
      const url = loaded.config.server.state
      if (url === undefined) return undefined
      const store = opened.get(url) ?? openOrRefuse(url, loaded, parts)
      opened.set(url, store)
      return store
    },
    close: async () => void (await Promise.all([...opened.values()].map((store) => store.close()))),
  }
}

function openOrRefuse(
  url: string,
  { locate, files, config }: Loaded,
  parts: { readonly clock: Clock; readonly log: Log },
): StateStore {
  try {
    const { stateTls: tls } = config.server
    return openState(url, { ...parts, ...(tls ? { tls } : {}) })
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    const problem = {
      severity: 'error',
      ...locate(['server', 'state']),
      key: 'server.state',
      message: `cannot be opened: ${error.detail}`,
      advice: 'give its folder to the user that Postern runs as, or write another place',
    } as const
    throw new ConfigError([problem], files)
  }
}
