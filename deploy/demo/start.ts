// The demo put together: an identity provider, three portals, Postern in front, all on loopback and nothing written to disk.
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { accounts } from './accounts.ts'
import { startIdentityProvider } from './identity-provider.ts'
import { freePort, type Running } from './listen.ts'
import { startHome } from './portals/home.ts'
import { startLive } from './portals/live.ts'
import { startUpload } from './portals/upload.ts'

const names = ['home', 'live', 'upload'] as const
const secret = () => randomBytes(32).toString('base64url')

/** Starts Postern with a configuration file and its environment. */
export type Serve = (args: {
  config: string
  env: Record<string, string>
}) => Promise<{ readonly healthUrl: string; close(): Promise<void> }>

export interface Demo {
  readonly portals: Readonly<Record<(typeof names)[number], string>>
  readonly issuer: string
  readonly health: string
  close(): Promise<void>
}

async function closeAll(started: readonly { close(): Promise<void> }[]): Promise<void> {
  await Promise.allSettled([...started].reverse().map((one) => one.close()))
}

interface Ports {
  readonly postern: number
  readonly issuer: number
}

async function choosePorts(wanted = 8080): Promise<Ports> {
  const postern = await freePort(wanted)
  let issuer = postern
  while (issuer === postern) issuer = await freePort()
  return { postern, issuer }
}

const urlOf = (name: string, port: number): string => `http://${name}.localhost:${port}`

function environment(ports: Ports, portals: readonly Running[], clientSecret: string): Record<string, string> {
  const [home, live, upload] = portals.map(({ port }) => String(port))
  return {
    DEMO_PORT: String(ports.postern),
    DEMO_ISSUER_PORT: String(ports.issuer),
    DEMO_HOME_PORT: home!,
    DEMO_LIVE_PORT: live!,
    DEMO_UPLOAD_PORT: upload!,
    DEMO_CLIENT_SECRET: clientSecret,
    DEMO_SESSION_KEY: secret(),
  }
}

/** Starts everything; what already runs is closed again where a later part does not start. `port` is the first choice for Postern's. */
export async function startDemo(serve: Serve, port?: number): Promise<Demo> {
  const started: { close(): Promise<void> }[] = []
  const keep = async <T extends { close(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const running = await starting
    started.push(running)
    return running
  }
  try {
    const ports = await choosePorts(port)
    const neighbours = names.map((name) => ({ name, url: `${urlOf(name, ports.postern)}/` }))
    const clientSecret = secret()
    const provider = await keep(
      startIdentityProvider({
        port: ports.issuer,
        clientId: 'postern',
        clientSecret,
        redirectUris: names.map((name) => `${urlOf(name, ports.postern)}/_postern/callback/demo`),
        postLogoutRedirectUris: names.map((name) => `${urlOf(name, ports.postern)}/_postern/signed-out`),
      }),
    )
    const portals = [await keep(startHome(neighbours)), await keep(startLive()), await keep(startUpload())]
    const config = fileURLToPath(new URL('postern.yaml', import.meta.url))
    const serving = await keep(serve({ config, env: environment(ports, portals, clientSecret) }))
    const [home, live, upload] = names.map((name) => urlOf(name, ports.postern))
    return {
      portals: { home: home!, live: live!, upload: upload! },
      issuer: provider.issuer,
      health: `${serving.healthUrl}/readyz`,
      close: () => closeAll(started),
    }
  } catch (error) {
    await closeAll(started)
    throw error
  }
}

/** What a person who just started the demo wants to know. */
export function describeDemo(demo: Demo): readonly string[] {
  return [
    '',
    `  ${demo.portals.home}    greets you, and shows every header the portal received`,
    `  ${demo.portals.live}    a WebSocket and a clock pushed by the server`,
    `  ${demo.portals.upload}  takes a file, says its size and SHA-256`,
    '',
    ...accounts.map(({ user, password, hd }) => {
      const fate = hd === 'mycompany.com' ? '' : '   is refused: the rule company-domain asks for mycompany.com'
      return `  user name ${user}   password ${password}${fate}`
    }),
    '',
    `  Identity provider ${demo.issuer}   Postern's health ${demo.health}`,
    '  Ctrl-C ends it.',
    '',
  ]
}
