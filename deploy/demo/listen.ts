// Servers of the demo: loopback only, closed with everything that still hangs on them.
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Running {
  readonly port: number
  close(): Promise<void>
}

/** Listens on 127.0.0.1. `port` 0 takes any. Rejects where the port is taken. */
export async function listen(listener: RequestListener, port = 0): Promise<Running & { readonly server: Server }> {
  const server = createServer(listener)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { port: (server.address() as AddressInfo).port, close, server }
}

/** `wanted` where it is free, else any other free port. */
export async function freePort(wanted = 0): Promise<number> {
  try {
    const probe = await listen(() => {}, wanted)
    await probe.close()
    return probe.port
  } catch (error) {
    if (wanted === 0) throw error
    return freePort(0)
  }
}
