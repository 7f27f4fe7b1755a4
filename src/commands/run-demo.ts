// `postern demo` as a process: runs until it is told to stop.
import { DemoUnavailable, demo } from './demo.ts'

/** Resolves to the exit code. */
export async function runDemo(port: number | undefined, out: (line: string) => void): Promise<number> {
  let running: Awaited<ReturnType<typeof demo>>
  try {
    running = await demo(port === undefined ? {} : { port }, out)
  } catch (error) {
    if (!(error instanceof DemoUnavailable)) throw error
    out(error.message)
    return 1
  }
  await new Promise<void>((stop) => {
    process.once('SIGINT', () => stop())
    process.once('SIGTERM', () => stop())
  })
  await running.close()
  return 0
}
