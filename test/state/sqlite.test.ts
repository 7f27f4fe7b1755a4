import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openState } from '../../src/state/open.ts'
import { createSqliteState } from '../../src/state/sqlite.ts'
import { describeStateStore } from './store-conformance.ts'

const unavailable = expect.objectContaining({ reason: 'store-unavailable' })

function newFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-state-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'state.db')
}

const openFile = (file: string) => createSqliteState({ file, clock: Date.now })

describeStateStore('sqlite', async () => {
  const file = newFile()
  return { open: () => openFile(file) }
})

const writer = new URL('writer.ts', import.meta.url).pathname
const write = (file: string, ...more: readonly string[]) =>
  spawn(process.execPath, [writer, `sqlite:${file}`, ...more], { stdio: ['ignore', 'pipe', 'inherit'] })

describe('the state file', () => {
  it('has every entry that was confirmed before kill -9, and goes on from there', async () => {
    const file = newFile()
    const killed = write(file)
    onTestFinished(() => void killed.kill('SIGKILL'))
    let said = ''
    for await (const chunk of killed.stdout.setEncoding('utf8')) {
      said += chunk
      if (said.split('\n').length > 150 && !killed.killed) killed.kill('SIGKILL')
    }
    if (killed.signalCode === null) await once(killed, 'exit')
    expect(killed.signalCode).toBe('SIGKILL')
    const confirmed = said.slice(0, said.lastIndexOf('\n')).split('\n').map(Number)
    expect(confirmed.length).toBeGreaterThan(100)

    const store = openFile(file)
    onTestFinished(() => store.close())
    const kept = (await store.list('n/', 1_000_000)).map(([, value]) => (value as { n: number }).n)
    expect(kept.slice(0, confirmed.length)).toEqual(confirmed)
    // one more may have reached the file without a word
    expect(kept.length - confirmed.length).toBeLessThanOrEqual(1)
    expect(await store.change('n/after', undefined, 'fine')).toBe(true)
  })

  it('lets readers read while somebody writes: a write-ahead log', () => {
    const file = newFile()
    const store = openFile(file)
    onTestFinished(() => store.close())
    const database = new DatabaseSync(file)
    onTestFinished(() => database.close())
    expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
  })

  it('is made by several processes at once, and lets one of them win each key', async () => {
    const file = newFile()
    const processes = [1, 2, 3].map(() => write(file, '1', '40'))
    const said = await Promise.all(processes.map(({ stdout }) => stdout.setEncoding('utf8').toArray()))
    const lines = said.flatMap((chunks) => chunks.join('').trim().split('\n'))
    expect(lines.length).toBe(120)
    const won = lines.filter((line) => !line.startsWith('lost')).map(Number)
    expect(won.sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, at) => at + 1))
  })

  it("is nobody else's to read", () => {
    const file = newFile()
    const store = openFile(file)
    onTestFinished(() => store.close())
    for (const name of [file, `${file}-wal`]) expect(statSync(name).mode & 0o777).toBe(0o600)
  })

  it('is refused where it is none, or of a later version, or cannot be made', () => {
    const file = newFile()
    writeFileSync(file, 'this is a letter to somebody and no database at all '.repeat(100))
    expect(() => openFile(file)).toThrow(unavailable)
    const later = newFile()
    const database = new DatabaseSync(later)
    database.exec('PRAGMA user_version = 2')
    database.close()
    expect(() => openFile(later)).toThrow(/another version of Postern \(2\)/)
    expect(() => openFile(join(newFile(), 'no', 'such', 'directory.db'))).toThrow(unavailable)
    expect(() => openState('mysql://x', { clock: Date.now, log: { server: () => undefined } })).toThrow(unavailable)
  })

  it('says that it is unavailable while somebody else holds it, and works afterwards', async () => {
    const file = newFile()
    const store = openFile(file)
    onTestFinished(() => store.close())
    const other = new DatabaseSync(file)
    onTestFinished(() => other.close())
    other.exec('BEGIN IMMEDIATE')
    await expect(store.change('key', undefined, 1)).rejects.toEqual(unavailable)
    expect(await store.get('key')).toBeUndefined()
    other.exec('ROLLBACK')
    expect(await store.change('key', undefined, 1)).toBe(true)
  })

  it('does not grow with what has ended', async () => {
    const file = newFile()
    let now = 1_000_000
    const store = createSqliteState({ file, clock: () => now })
    onTestFinished(() => store.close())
    for (let n = 0; n < 50; n++) {
      await store.change(`lease/${n}`, undefined, n, now + 1000)
      now += 2000
    }
    const database = new DatabaseSync(file)
    onTestFinished(() => database.close())
    expect(database.prepare('SELECT count(*) AS n FROM state').get()).toEqual({ n: 1 })
  })
})
