// One way to a Redis, or what speaks its language: a server, a master that Sentinels know, a Cluster. What is asked while it is
// gone fails at once or after two seconds, and it comes back by itself.
import { hash } from 'node:crypto'
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis'
import type { Log } from '../log.ts'
import { unavailable } from './entry.ts'
import { type RedisAddress, readRedisAddress } from './redis-address.ts'

export interface RedisTls {
  /** PEM; instead of the usual authorities. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly serverName?: string
}
export interface RedisConnection {
  /** Throws PosternError('store-unavailable'): also where the answer takes more than two seconds. It may have happened then. */
  ask<T>(command: (redis: Redis | Cluster) => Promise<T>): Promise<T>
  /** A script, sent whole only where the server does not know it yet. Throws as `ask` does. */
  run(script: string, keys: readonly string[], values: readonly (string | number)[]): Promise<unknown>
  /**
   * Hears a channel, over a connection of its own. undefined instead of a message: the subscription stands (again), and something may
   * have been missed before. Gives how to stop.
   */
  subscribe(channel: string, hear: (message: string | undefined) => void): () => void
  /** For good. */
  close(): void
}
export interface RedisConnectionOptions {
  readonly log: Pick<Log, 'server'>
  /** What the log calls it: `state store`. */
  readonly name: string
  readonly tls?: RedisTls
}

/** Milliseconds. */
const patience = 2000
const retry = (times: number): number => Math.min(times * 100, patience)

/**
 * Connects by itself, and again after a loss. The account needs `+@read +@write +@scripting +@pubsub +@connection +info +cluster`
 * on the keys `postern:*` and `{postern}:*` and the channels `postern:*`. Throws PosternError('store-unavailable') where `url` names none.
 */
export function connectRedis(url: string, options: RedisConnectionOptions): RedisConnection {
  const address = readRedisAddress(url)
  if (!address) throw unavailable(`the ${options.name}: this is no address of a Redis`)
  const redis = open(address, options)
  const arrived = firstAttempt(redis)
  const ends = [tellOfLosses(redis, options)]
  const hashes = new Map<string, string>()
  const hashOf = (script: string): string => {
    const known = hashes.get(script) ?? hash('sha1', script)
    hashes.set(script, known)
    return known
  }
  async function ask<T>(command: (redis: Redis | Cluster) => Promise<T>): Promise<T> {
    await arrived
    try {
      return await inTime(command(redis))
    } catch (error) {
      throw unavailable(`the ${options.name}: ${error instanceof Error ? error.message : 'unknown error'}`)
    }
  }
  return {
    ask,
    run: (script, keys, values) =>
      ask((way) => {
        const rest = [keys.length, ...keys, ...values] as const
        return way.evalsha(hashOf(script), ...rest).catch((error: unknown) => {
          if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return way.eval(script, ...rest)
          throw error
        })
      }),
    subscribe(channel, hear) {
      const ear = open(address, { ...options, name: `${options.name} ear` })
      const stop = listen(ear, channel, hear, options)
      ends.push(stop)
      return stop
    },
    close() {
      for (const end of ends) end()
      redis.disconnect()
    },
  }
}

function open(address: RedisAddress, { name, tls }: RedisConnectionOptions): Redis | Cluster {
  const { kind, nodes, username, password, database } = address
  const secure = address.isTls ? tlsOptions(tls) : undefined
  const common = {
    protocol: 2, // spoken by everything that calls itself compatible, and its answers have one shape
    // sent again, a change that was made already would look like somebody else's
    autoResendUnfulfilledCommands: false,
    commandTimeout: patience,
    connectTimeout: patience,
    maxRetriesPerRequest: 0,
    connectionName: `postern-${name.replaceAll(' ', '-')}`,
    // a master that became a replica: the next connection finds the new one
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    autoResubscribe: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(secure ? { tls: secure } : {}),
  } satisfies RedisOptions
  const alone = { ...common, db: database, enableOfflineQueue: false, retryStrategy: retry } satisfies RedisOptions
  if (kind === 'cluster') return new Cluster([...nodes], clusterOptions(common) as ConstructorParameters<typeof Cluster>[1])
  if (kind === 'single') return new Redis({ ...alone, ...nodes[0] })
  return new Redis({
    ...alone,
    sentinels: nodes.map((node) => ({ ...node })),
    name: address.master,
    sentinelRetryStrategy: retry,
    sentinelCommandTimeout: patience,
    ...(secure ? { sentinelTLS: secure, enableTLSForSentinelMode: true } : {}),
  })
}

const clusterOptions = (common: NonNullable<ClusterOptions['redisOptions']>) => ({
  enableOfflineQueue: false,
  redisOptions: common,
  clusterRetryStrategy: retry,
  slotsRefreshTimeout: patience,
  // a certificate is for a name: what the nodes call each other is not resolved before
  ...(common.tls ? { dnsLookup: (name: string, done: (error: null, address: string) => void) => done(null, name) } : {}),
})

const tlsOptions = ({ ca, cert, key, serverName }: RedisTls = {}) => ({
  ...(ca === undefined ? {} : { ca }),
  ...(cert === undefined ? {} : { cert }),
  ...(key === undefined ? {} : { key }),
  ...(serverName === undefined ? {} : { servername: serverName }),
})

/** Whatever is tried beneath: a Cluster asks again and again, with patience for each. */
function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), patience)
    timer.unref()
  })
  return Promise.race([answer, late]).finally(() => clearTimeout(timer))
}

/** Resolves once the first connection stands or has failed: a start asks too early otherwise. */
const firstAttempt = (redis: Redis | Cluster): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, patience)
    timer.unref()
    for (const event of ['ready', 'close', 'end', 'error']) redis.once(event, () => resolve())
  })

/** One line when it goes, one when it is back; without a listener an error would end the process. Gives how to stop telling. */
function tellOfLosses(redis: Redis | Cluster, { log, name }: RedisConnectionOptions): () => void {
  let isLost = false
  let isOver = false
  const lost = (detail: string) => {
    if (!isLost && !isOver) log.server('error', `the ${name} cannot be reached`, { detail })
    isLost = true
  }
  redis.on('error', (error: Error) => lost(error.message))
  redis.on('close', () => lost('the connection was closed'))
  redis.on('ready', () => {
    if (isLost) log.server('info', `the ${name} is back`)
    isLost = false
  })
  return () => {
    isOver = true
  }
}

function listen(
  ear: Redis | Cluster,
  channel: string,
  hear: (message: string | undefined) => void,
  { log, name }: RedisConnectionOptions,
): () => void {
  let isOver = false
  let isHeard = false
  let isSaid = false
  const refused = ({ message: detail }: Error) => {
    if (isOver) return
    if (!isSaid && detail.startsWith('NOPERM')) {
      isSaid = true
      log.server('warn', `the ${name} refuses the subscription to ${channel}`, { detail })
    }
    // who is refused is so again at once: a pause keeps this from being a flood of connections
    setTimeout(() => isOver || isHeard || ear.disconnect(true), patience).unref()
  }
  ear.on('error', () => undefined) // its sister tells of the loss
  ear.on('ready', () => {
    isHeard = false
    ear.subscribe(channel).then(() => {
      isHeard = true
      if (!isOver) hear(undefined)
    }, refused)
  })
  ear.on('message', (_channel: string, message: string) => void (isOver || hear(message)))
  return () => {
    isOver = true
    ear.disconnect()
  }
}
