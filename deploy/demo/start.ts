// The demo put together: two identity providers, three portals, Postern in front, all on loopback and nothing written to disk.
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { accounts } from './accounts.ts'
import { startIdentityProvider } from './identity-provider.ts'
import { freePort, type Running } from './listen.ts'
import { startClient } from './portals/client.ts'
import { startHome } from './portals/home.ts'
import { ownAccount } from './portals/own-sign-in.ts'
import { startVendor } from './portals/vendor.ts'

const names = ['home', 'vendor', 'client'] as const
const providers = [
  { name: 'PLAY', asksFor: 'password' },
  { name: 'FIDO', asksFor: 'pin' },
] as const
const secret = () => randomBytes(32).toString('base64url')

/** Starts Postern with a configuration file and its environment. */
export type Serve = (args: {
  config: string
  env: Record<string, string>
}) => Promise<{ readonly healthUrl: string; close(): Promise<void> }>

export interface Demo {
  readonly portals: Readonly<Record<(typeof names)[number], string>>
  readonly issuers: Readonly<Record<(typeof providers)[number]['name'], string>>
  readonly health: string
  close(): Promise<void>
}

async function closeAll(started: readonly { close(): Promise<void> }[]): Promise<void> {
  await Promise.allSettled([...started].reverse().map((one) => one.close()))
}

interface Ports {
  readonly postern: number
  readonly PLAY: number
  readonly FIDO: number
}

/** All different: none of them is taken yet. */
async function choosePorts(wanted = 8080): Promise<Ports> {
  const chosen = [await freePort(wanted)]
  while (chosen.length < 3) {
    const port = await freePort()
    if (!chosen.includes(port)) chosen.push(port)
  }
  const [postern, PLAY, FIDO] = chosen
  return { postern: postern!, PLAY: PLAY!, FIDO: FIDO! }
}

const urlOf = (name: string, port: number): string => `http://${name}.localhost:${port}`

function environment(ports: Ports, portals: readonly Running[], clientSecret: string): Record<string, string> {
  const [home, vendor, client] = portals.map(({ port }) => String(port))
  return {
    DEMO_PORT: String(ports.postern),
    DEMO_PLAY_PORT: String(ports.PLAY),
    DEMO_FIDO_PORT: String(ports.FIDO),
    DEMO_HOME_PORT: home!,
    DEMO_VENDOR_PORT: vendor!,
    DEMO_CLIENT_PORT: client!,
    DEMO_CLIENT_SECRET: clientSecret,
    DEMO_SESSION_KEY: secret(),
  }
}

const startProvider = ({ name, asksFor }: (typeof providers)[number], ports: Ports, clientSecret: string) =>
  startIdentityProvider({
    name,
    asksFor,
    port: ports[name],
    clientId: 'postern',
    clientSecret,
    redirectUris: names.map((portal) => `${urlOf(portal, ports.postern)}/_postern/callback/${name}`),
    postLogoutRedirectUris: names.map((portal) => `${urlOf(portal, ports.postern)}/_postern/signed-out`),
  })

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
    const [play, fido] = [
      await keep(startProvider(providers[0], ports, clientSecret)),
      await keep(startProvider(providers[1], ports, clientSecret)),
    ]
    const portals = [await keep(startHome(neighbours)), await keep(startVendor(neighbours)), await keep(startClient(neighbours))]
    const config = fileURLToPath(new URL('postern.yaml', import.meta.url))
    const serving = await keep(serve({ config, env: environment(ports, portals, clientSecret) }))
    const [home, vendor, client] = names.map((name) => urlOf(name, ports.postern))
    return {
      portals: { home: home!, vendor: vendor!, client: client! },
      issuers: { PLAY: play.issuer, FIDO: fido.issuer },
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
  const { home, vendor, client } = demo.portals
  return [
    '',
    `  ${home}    sign in with PLAY; /notes keeps what you typed, /vault wants FIDO as well`,
    `  ${vendor}  PLAY or FIDO, as you like; /live has a WebSocket and a clock pushed by the server`,
    `  ${client}  PLAY, or the portal's own sign-in (${ownAccount.user}, ${ownAccount.password}); /upload takes a file`,
    '',
    ...accounts.map(({ user, password, pin, hd }) => {
      const fate = hd === 'mycompany.com' ? '' : '   is refused at PLAY: the rule company-domain asks for mycompany.com'
      return `  user name ${user}   password at PLAY ${password}   PIN at FIDO ${pin}${fate}`
    }),
    '',
    `  PLAY ${demo.issuers.PLAY}   FIDO ${demo.issuers.FIDO}   Postern's health ${demo.health}`,
    '  Ctrl-C ends it.',
    '',
  ]
}
