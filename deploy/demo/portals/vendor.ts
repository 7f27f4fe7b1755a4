// The portal of vendors: a live page beside the greeting.
import { listen, type Running } from '../listen.ts'
import { greet, type Link } from './greeting.ts'
import { live, startSockets } from './live.ts'

export async function startVendor(neighbours: readonly Link[]): Promise<Running> {
  const running = await listen((request, response) => {
    live(request, response) || greet(request, response, [...neighbours, { name: 'live', url: '/live' }], 'vendor')
  })
  const closeSockets = await startSockets(running.server)
  return {
    port: running.port,
    close: () => {
      closeSockets()
      return running.close()
    },
  }
}
