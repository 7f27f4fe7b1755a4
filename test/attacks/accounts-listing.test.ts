// What a provider says of a person is shown to an operator: it must not steer their terminal.
import { describe, expect, it, onTestFinished } from 'vitest'
import { listLinks } from '../../src/commands/links.ts'
import type { Config } from '../../src/config/schema.ts'
import { listenOnLoopback } from '../support/loopback.ts'

const hostile = 'anna\u009b2J\u001b[2J\u202e\u{e0041}@company.com'
const link = { id: 'a1', account: hostile, provider: 'PLAY', issuer: 'i', subject: 's', email: hostile, linkedAt: 0 }
async function listed(answer: object, json: boolean, status = 200) {
  const server = await listenOnLoopback((_, response) => response.writeHead(status).end(JSON.stringify(answer)))
  onTestFinished(() => server.close())
  const lines: string[] = []
  const config = { server: { admin: { host: '127.0.0.1', port: server.port } } } as unknown as Config
  const print = (line: string) => void lines.push(line)
  await listLinks(config, { json }, print, print)
  return lines.join('\n')
}

describe('links list', () => {
  it.each([true, false])('shows nothing that a terminal would obey (as JSON: %s)', async (json) => {
    expect(await listed({ links: [link] }, json)).not.toMatch(/[^\P{C}\n]/u)
  })

  it('is still the same JSON', async () => {
    expect(JSON.parse(await listed({ links: [link] }, true))).toEqual([link])
  })

  it('shows a title of whoever listens there as text', async () => {
    expect(await listed({ title: hostile }, false, 500)).not.toMatch(/\p{C}/u)
  })
})
