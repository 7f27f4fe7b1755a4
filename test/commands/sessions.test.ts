// `postern sessions`, against a real admin listener.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { listSessions, revokeSessions } from '../../src/commands/sessions.ts'
import type { Config } from '../../src/config/schema.ts'
import { createAdmin } from '../../src/connection/admin.ts'
import type { AskedSessions, Sessions } from '../../src/connection/admin-sessions.ts'
import { listenForMachines } from '../../src/connection/listen.ts'
import { PosternError } from '../../src/errors.ts'

const token = 'an-admin-token-of-some-length'
const [anna, ben] = ['a'.repeat(24), 'b'.repeat(24)]
const times = { signedIn: '2026-11-22T12:00:00.000Z', lastUsed: '2026-11-22T12:10:00.000Z', ends: '2026-11-22T12:40:00.000Z' }
const sessionsOf = (...accounts: readonly string[]) =>
  accounts.map((account, at) => ({ id: [anna, ben][at], account, provider: 'PLAY', portals: ['mail', 'files'], ...times }))

async function running(extra: Partial<Sessions> = {}) {
  const revoked: AskedSessions[] = []
  const sessions: Sessions = {
    list: async ({ id, account }) => {
      const all = sessionsOf('anna@company.com', 'ben@company.com')
      return {
        sessions: all.filter((one) => (id ?? one.id) === one.id && (account ?? one.account) === one.account),
        complete: true,
      }
    },
    revoke: async (asked) => {
      revoked.push(asked)
      return { everywhere: true }
    },
    knows: (_kind, name) => ['mail', 'PLAY'].includes(name),
    isComplete: true,
    ...extra,
  }
  const admin = createAdmin({
    token,
    generation: () => 1,
    portals: () => new Map(),
    providers: () => [],
    problems: () => [],
    explaining: { ask: async () => Promise.reject(new Error('not asked')), refusal: async () => undefined, recent: () => [] },
    sessions: () => sessions,
  })
  const listening = await listenForMachines({ host: '127.0.0.1', port: 0 }, admin)
  onTestFinished(async () => {
    const stopped = listening.stopAccepting()
    listening.destroy()
    await stopped
  })
  const [lines, errors]: [string[], string[]] = [[], []]
  const print = [(line: string) => void lines.push(line), (line: string) => void errors.push(line)] as const
  const port = Number(listening.address.split(':').at(-1))
  const config = (adminToken: string) => ({ server: { admin: { host: '0.0.0.0', port }, adminToken } }) as unknown as Config
  return {
    lines,
    errors,
    revoked,
    list: (whose = {}, json = false, adminToken = token) => listSessions(config(adminToken), { whose, json }, ...print),
    revoke: (whose = {}, ids: readonly string[] = [], json = false) =>
      revokeSessions(config(token), { whose, ids, json }, ...print),
  }
}

describe('sessions list', () => {
  it('prints one line for each, or JSON, narrowed as asked', async () => {
    const postern = await running()
    expect(await postern.list()).toBe(0)
    const line = `${anna}  anna@company.com  PLAY  mail,files  ${times.signedIn}  ${times.lastUsed}  ${times.ends}`
    expect([postern.lines[0], postern.lines.length, postern.errors]).toEqual([line, 2, []])
    postern.lines.length = 0
    expect(await postern.list({ account: 'ben@company.com', provider: 'PLAY', portal: 'mail' }, true)).toBe(0)
    const list = JSON.parse(postern.lines.join('\n')) as { sessions: object[]; complete: boolean }
    expect(list).toMatchObject({ sessions: [{ id: ben }], complete: true })
  })

  it('says where there is none, and where there may be more', async () => {
    const postern = await running({ list: async () => ({ sessions: [], complete: false }) })
    expect(await postern.list()).toBe(0)
    expect(postern.errors).toEqual([expect.stringContaining('no such session'), expect.stringContaining('may be more')])
  })

  it('lets nothing that a provider said steer the terminal', async () => {
    const postern = await running({ list: async () => ({ sessions: sessionsOf('a\u001b[2J\nfaked \u009b'), complete: true }) })
    for (const json of [false, true]) await postern.list({}, json)
    expect(postern.lines[0]).toContain('a\\u{1b}[2J\\u{a}faked \\u{9b}')
    expect(postern.lines.join('').replaceAll('\n', '')).not.toMatch(/\p{C}/u)
    expect(postern.lines).toHaveLength(2)
  })

  it('says what is wrong: another token, a portal that is not there, a store that is gone, nobody there', async () => {
    const postern = await running({ list: async () => Promise.reject(new PosternError('store-unavailable', 'gone')) })
    expect(await postern.list({}, false, 'another-token-of-some-length')).toBe(1)
    expect(postern.errors.pop()).toMatch(/does not accept server\.adminToken/)
    expect(await postern.list({ portal: 'nowhere' })).toBe(1)
    expect(postern.errors.pop()).toMatch(/400: There is no portal of that name/)
    expect(await postern.list()).toBe(1)
    expect(postern.errors.pop()).toMatch(/503: The session store cannot be reached/)
    const nowhere = { server: { admin: { host: '127.0.0.1', port: 1 } } } as unknown as Config
    const errors: string[] = []
    const err = (line: string) => void errors.push(line)
    expect(await listSessions(nowhere, { whose: {}, json: false }, err, err)).toBe(1)
    expect(errors).toEqual([expect.stringMatching(/nothing answers at http:\/\/127\.0\.0\.1:1/)])
  })
})

describe('sessions revoke', () => {
  it('revokes by a filter, or each that is named, and goes on after one that is not there', async () => {
    const postern = await running()
    expect(await postern.revoke({ account: 'b&n+x', portal: 'mail' })).toBe(0)
    expect(await postern.revoke({}, [anna, 'c'.repeat(24), ben])).toBe(1)
    expect(postern.revoked).toEqual([{ account: 'b&n+x', portal: 'mail' }, { id: anna }, { id: ben }])
    expect(postern.lines).toEqual(['revoked b&n+x, mail', `revoked ${anna}`, `revoked ${ben}`])
    expect(postern.errors).toEqual([`postern: there is no session ${'c'.repeat(24)}`])
    postern.lines.length = 0
    await postern.revoke({}, [anna], true)
    expect(JSON.parse(postern.lines.join())).toEqual({ id: anna, revoked: true, everywhere: true })
  })

  it('says where only one process knows, and where not all know yet', async () => {
    const alone = await running({ revoke: async () => ({ everywhere: false }) })
    expect(await alone.revoke({ account: 'a' })).toBe(0)
    expect(alone.errors).toEqual([expect.stringContaining('only the one that was asked knows')])
    const unsure = await running({ revoke: async () => Promise.reject(new PosternError('store-unavailable', 'gone')) })
    expect(await unsure.revoke({ account: 'a' })).toBe(1)
    expect(unsure.errors).toEqual([expect.stringContaining('503: Revoked here')])
    expect(unsure.lines).toEqual([])
  })
})

describe('the command line', () => {
  const main = join(import.meta.dirname, '../../src/main.ts')
  it.each([
    [[]],
    [['revoke']],
    [['revoke', '--account', 'a', anna]],
    [['list', anna]],
    [['end', anna]],
    [['revoke', '--acount', 'a']],
  ])('takes no `sessions` %j', async (args) => {
    const code = await new Promise((resolve) => {
      execFile(process.execPath, [main, 'sessions', ...args], (error) => resolve(error?.code ?? 0))
    })
    expect(code).toBe(2)
  })
})
