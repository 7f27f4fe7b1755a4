// State in one file, for one machine. What was answered is on the disk before the answer: neither `kill -9` nor a power cut takes
// it back. Several processes may share the file, on a local disk only.
import { chmodSync, existsSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { PosternError } from '../errors.ts'
import type { StateStore } from '../state.ts'
import type { Clock } from '../types.ts'
import { checkedKey, parsed, textOf, unavailable } from './entry.ts'

/** Milliseconds that a write waits, with the whole process, for another process to finish its own. */
const busyTimeout = 2000
const layout = 1

const schema = `
  CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value TEXT NOT NULL, until INTEGER) WITHOUT ROWID, STRICT;
  CREATE INDEX IF NOT EXISTS ends ON state (until) WHERE until IS NOT NULL;
  PRAGMA user_version = ${layout};
`

/** Throws PosternError('store-unavailable') where the file cannot be opened, or is not ours. */
export function createSqliteState({ file, clock }: { readonly file: string; readonly clock: Clock }): StateStore {
  const database = guarded(() => open(file))
  const statements = new Map<string, StatementSync>()

  function prepared(sql: string): StatementSync {
    const known = statements.get(sql) ?? database.prepare(sql)
    statements.set(sql, known)
    return known
  }
  const write = (sql: string, ...values: readonly (string | number | null)[]): boolean =>
    Number(prepared(sql).run(...values).changes) > 0

  function get(key: string): string | undefined {
    const row = prepared('SELECT value FROM state WHERE key = ? AND (until IS NULL OR until > ?)').get(key, clock())
    return row === undefined ? undefined : String(row['value'])
  }

  /** Each is one statement: SQLite makes it whole, across processes too. */
  function change(key: string, before: string | undefined, after: string | undefined, until: number | null): boolean {
    const now = clock()
    if (before === undefined && after === undefined) return get(key) === undefined
    if (before === undefined)
      return write(
        `INSERT INTO state (key, value, until) VALUES (?, ?, ?)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until WHERE state.until <= ?`,
        key,
        after ?? null,
        until,
        now,
      )
    const still = 'WHERE key = ? AND value = ? AND (until IS NULL OR until > ?)'
    if (after === undefined) return write(`DELETE FROM state ${still}`, key, before, now)
    return write(`UPDATE state SET value = ?, until = ? ${still}`, after, until, key, before, now)
  }

  function list(prefix: string, most: number): (readonly [string, ReturnType<typeof parsed>])[] {
    const rows = prepared(
      `SELECT key, value FROM state WHERE key >= ? AND substr(key, 1, length(?)) = ? AND (until IS NULL OR until > ?)
       ORDER BY key LIMIT ?`,
    ).all(prefix, prefix, prefix, clock(), Math.max(0, most))
    return rows.map((row) => [String(row['key']), parsed(String(row['value']))] as const)
  }

  return {
    get: async (key) => {
      const text = guarded(() => get(checkedKey(key)))
      return text === undefined ? undefined : parsed(text)
    },
    change: async (key, before, after, until) =>
      guarded(() => {
        const [was, is] = [before, after].map((value) => (value === undefined ? undefined : textOf(value)))
        // what ends would pile up otherwise
        if (until !== undefined) write('DELETE FROM state WHERE until <= ?', clock())
        return change(checkedKey(key), was, is, until === undefined ? null : Math.ceil(until))
      }),
    list: async (prefix, most) => guarded(() => list(prefix, most)),
    close: async () => {
      if (database.isOpen) database.close()
    },
  }
}

function open(file: string): DatabaseSync {
  const isNew = !existsSync(file)
  const database = new DatabaseSync(file, { timeout: busyTimeout })
  try {
    // it names people: nobody else's to read; the -wal and -shm files take the mode of the file
    if (isNew) chmodSync(file, 0o600)
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'])
    if (version !== 0 && version !== layout) throw unavailable(`the state file is of another version of Postern (${version})`)
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function guarded<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (isOurs(error)) throw error
    throw unavailable(`the state file: ${error instanceof Error ? error.message : 'unknown error'}`, error)
  }
}

const isOurs = (error: unknown): error is PosternError => error instanceof Error && error.name === 'PosternError'
