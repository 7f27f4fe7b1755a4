import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import { createAccountLinks } from '../../../src/identity/accounts/account-links.ts'
import { createMemoryState } from '../../../src/state/memory.ts'
import type { StateStore } from '../../../src/state.ts'
import type { Identity, Json } from '../../../src/types.ts'
import { identityOf, minute, TestClock, TestLog } from '../harness.ts'

type Wrapped = (store: StateStore) => StateStore

function world(wrap: Wrapped = (store) => store) {
  const clock = new TestClock()
  const log = new TestLog()
  const bare = createMemoryState({ clock: clock.read })
  /** A process of its own over the same state. */
  const links = (by: Wrapped = wrap) => createAccountLinks({ store: by(bare), log, clock: clock.read })
  return { clock, log, store: bare, links: links(), another: links }
}

const person = (subject: string, email: string, extra: Partial<Identity> = {}): Identity =>
  identityOf(subject, { account: email, email, claims: { sub: subject, email, email_verified: true }, ...extra })
const account = (name: string) => ({ kind: 'account', account: name })
const conflict = { kind: 'conflict', reason: 'link-conflict' }

describe('account links', () => {
  it('give the first sign-in the account of its e-mail, and keep it', async () => {
    const { links, log, clock } = world()
    expect(await links.resolve(person('s1', 'anna@company.com'), 'PLAY')).toEqual(account('anna@company.com'))
    clock.pass(minute)
    expect(await links.resolve(person('s1', 'anna@company.com'), 'PLAY')).toEqual(account('anna@company.com'))
    const [linked, ...more] = log.audits
    expect(linked).toMatchObject({
      msg: 'account linked',
      fields: { subject: 's1', account: 'anna@company.com', provider: 'PLAY' },
    })
    expect(more).toEqual([])
  })

  it('keep the account of whoever has another e-mail, another account name and no verified address any more', async () => {
    const { links } = world()
    await links.resolve(person('s1', 'anna@company.com'), 'PLAY')
    const married = person('s1', 'anna.berg@company.com')
    expect(await links.resolve(married, 'PLAY')).toEqual(account('anna@company.com'))
    const { email: _, ...nameless } = identityOf('s1', { account: 'anything' })
    expect(await links.resolve(nameless, 'PLAY')).toEqual(account('anna@company.com'))
  })

  it('refuse whoever comes with an e-mail that was somebody else’s, and say so in the audit log', async () => {
    const { links, log } = world()
    await links.resolve(person('s1', 'anna@company.com'), 'PLAY')
    await links.resolve(person('s1', 'anna.berg@company.com'), 'PLAY')
    const outcome = await links.resolve(person('s2', 'anna@company.com'), 'PLAY')
    expect(outcome).toMatchObject(conflict)
    const [holder] = await links.list()
    expect(log.audits.at(-1)).toMatchObject({
      msg: 'account link refused',
      fields: { subject: 's2', account: 'anna@company.com', reason: 'link-conflict', link: holder?.id },
    })
    expect(await links.list()).toMatchObject([{ subject: 's1', account: 'anna@company.com', email: 'anna@company.com' }])
  })

  it('refuse the second subject however the e-mail is spelt, whatever account it asks for, whoever the issuer is', async () => {
    const { links } = world()
    await links.resolve(person('s1', 'anna@company.com'), 'PLAY')
    for (const [at, email] of ['ANNA@Company.com', ' anna@company.com ', 'ａnna@company.com'].entries())
      expect(await links.resolve(person(`other-${at}`, email, { account: `free-${at}` }), 'PLAY')).toMatchObject(conflict)
    const elsewhere = person('s1', 'anna@company.com', { issuer: 'https://other.company.com' })
    expect(await links.resolve(elsewhere, 'FIDO')).toMatchObject(conflict)
  })

  it('refuse an account that is taken, though the e-mail is free, and leave the e-mail free', async () => {
    const { links } = world()
    await links.resolve(person('s1', 'anna@company.com', { account: 'anna' }), 'PLAY')
    expect(await links.resolve(person('s2', 'anna2@company.com', { account: 'Anna' }), 'PLAY')).toMatchObject(conflict)
    expect(await links.resolve(person('s3', 'anna2@company.com', { account: 'anna2' }), 'PLAY')).toEqual(account('anna2'))
    expect((await links.list()).length).toBe(2)
  })

  it.each([
    ['mike@company.com', 'm\u0131ke@company.com'],
    ['mike@company.com', 'MIKE@COMPANY.COM'],
    ['kiss@company.com', 'ki\u017fs@company.com'],
    ['kim@company.com', '\u212aim@company.com'],
    ['nikos@\u03b1\u03c3.gr', 'nikos@\u03b1\u03c2.gr'],
    ['anna@company.com', 'an\u00adna\u200b@company.com'],
    ['andr\u00e9@company.com', 'andre\u0301@company.com'],
  ])('take for one what a portal might: %s and %s', async (one, other) => {
    const { links } = world()
    await links.resolve(person('s1', one), 'PLAY')
    expect(await links.resolve(person('s2', other, { account: 'free' }), 'PLAY')).toMatchObject(conflict)
    expect(await links.resolve(person('s3', 'free@company.com', { account: other }), 'PLAY')).toMatchObject(conflict)
    expect((await links.list(other)).map(({ subject }) => subject)).toEqual(['s1'])
  })

  it('look as they resolve, and leave nothing behind', async () => {
    const { links, store } = world()
    expect(await links.look(person('s1', 'anna@company.com'), 'PLAY')).toEqual(account('anna@company.com'))
    expect(await store.list('', 10)).toEqual([])
    await links.resolve(person('s1', 'anna@company.com'), 'PLAY')
    const before = await store.list('', 10)
    expect(await links.look(person('s1', 'married@company.com'), 'PLAY')).toEqual(account('anna@company.com'))
    expect(await links.look(person('s2', 'Anna@company.com', { account: 'free' }), 'PLAY')).toMatchObject(conflict)
    expect(await links.look(person('s3', 'free@company.com', { account: 'ANNA@company.com' }), 'PLAY')).toMatchObject(conflict)
    const unverified = person('s4', 'dora@company.com', { claims: {} })
    expect(await links.look(unverified, 'PLAY')).toMatchObject({ reason: 'email-not-verified' })
    expect(await store.list('', 10)).toEqual(before)
  })

  it('say no to whoever looks while another is about to be linked, and yes once that one has died', async () => {
    const { links, another, clock } = world()
    await another((alive) => dyingAfter(alive, 3))
      .resolve(person('s1', 'anna@company.com'), 'PLAY')
      .catch(() => undefined)
    expect(await links.look(person('s2', 'anna@company.com', { account: 'free' }), 'PLAY')).toMatchObject(conflict)
    expect(await links.look(person('s1', 'anna@company.com'), 'PLAY')).toEqual(account('anna@company.com'))
    clock.pass(61_000)
    expect(await links.look(person('s2', 'anna@company.com', { account: 'free' }), 'PLAY')).toEqual(account('free'))
  })

  it('do not mistake one pair of issuer and subject for another', async () => {
    const { links } = world()
    await links.resolve(person('bc', 'one@company.com', { issuer: 'https://a' }), 'PLAY')
    const other = person('c', 'two@company.com', { issuer: 'https://ab' })
    expect(await links.resolve(other, 'PLAY')).toEqual(account('two@company.com'))
  })

  it.each([
    ['false', { email_verified: false }],
    ['absent', {}],
    ['the text false', { email_verified: 'false' }],
    ['a list', { email_verified: [true] }],
    ['a number', { email_verified: 1 }],
  ])('take no e-mail whose email_verified is %s, unless told so', async (_what, claims: Record<string, Json>) => {
    const { links, log } = world()
    const unverified = person('s1', 'anna@company.com', { claims })
    expect(await links.resolve(unverified, 'PLAY')).toMatchObject({ kind: 'conflict', reason: 'email-not-verified' })
    expect(log.audits.at(-1)).toMatchObject({ msg: 'account link refused' })
    expect(await links.list()).toEqual([])
    expect(await links.resolve(unverified, 'PLAY', { verified: false })).toEqual(account('anna@company.com'))
  })

  it('refuse a first sign-in without an e-mail', async () => {
    const { links } = world()
    const { email: _, ...nameless } = person('s1', 'anna@company.com')
    // nobody else is in the way: what the person reads must not say so
    const missing = { kind: 'conflict', reason: 'account-missing' }
    for (const verified of [true, false]) expect(await links.resolve(nameless, 'PLAY', { verified })).toMatchObject(missing)
    for (const email of ['', '  ', '\u200b\u00ad'])
      expect(await links.resolve({ ...nameless, email }, 'PLAY')).toMatchObject(missing)
  })

  it('let one of many subjects win that come first at once with one e-mail, and keep nothing of the others', async () => {
    const { links, another, store } = world()
    const processes = [links, another(), another()]
    const subjects = Array.from({ length: 9 }, (_, at) => `s${at}`)
    const outcomes = await Promise.all(
      subjects.map((subject, at) => processes[at % 3]?.resolve(person(subject, 'anna@company.com'), 'PLAY')),
    )
    expect(outcomes.filter((outcome) => outcome?.kind === 'account').length).toBe(1)
    const [winner, ...more] = await links.list()
    expect(more).toEqual([])
    expect(outcomes[subjects.indexOf(winner?.subject ?? '')]).toEqual(account('anna@company.com'))
    expect((await store.list('', 100)).map(([key]) => key.split('/')[0])).toEqual(['link-account', 'link-email', 'link'])
  })

  it('let one person come first at once in many tabs', async () => {
    const { links, another, log } = world()
    const processes = [links, another()]
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, (_, at) => processes[at % 2]?.resolve(person('s1', 'anna@company.com'), 'PLAY')),
    )
    expect(outcomes).toEqual(Array(6).fill(account('anna@company.com')))
    expect(log.audits.map(({ msg }) => msg)).toEqual(['account linked'])
  })

  it('survive a process that dies after any of its writes: the person gets in, then or later, and nobody beside them', async () => {
    for (let writes = 0; writes <= 4; writes++) {
      const { another, clock, store } = world()
      const dying = another((alive) => dyingAfter(alive, writes))
      await dying.resolve(person('s1', 'anna@company.com'), 'PLAY').catch(() => undefined)
      const [first, second] = [another(), another()]
      const one = await first.resolve(person('s2', 'anna@company.com'), 'PLAY')
      const two = await second.resolve(person('s1', 'anna@company.com'), 'PLAY')
      expect([one.kind, two.kind].sort()).toEqual(['account', 'conflict'])
      // with four writes s1 was linked, and with three it only had to be said
      if (writes >= 2) expect(two.kind).toBe('account')
      clock.pass(10 * minute)
      expect((await first.list()).length).toBe(1)
      expect((await store.list('', 100)).length).toBe(3)
    }
  })

  it('forget after a minute what was begun and never finished', async () => {
    const { another, clock } = world()
    const dying = another((alive) => dyingAfter(alive, 2))
    await expect(dying.resolve(person('s1', 'anna@company.com'), 'PLAY')).rejects.toThrow()
    clock.pass(61_000)
    const links = another()
    expect(await links.resolve(person('s2', 'anna@company.com'), 'PLAY')).toEqual(account('anna@company.com'))
    expect(await links.resolve(person('s1', 'anna@company.com'), 'PLAY')).toMatchObject(conflict)
  })

  it('do not hold an e-mail for somebody whose removal was never finished, and who has another by now', async () => {
    const { links, another } = world()
    await links.resolve(person('s1', 'anna@company.com'), 'PLAY')
    const [link] = await links.list()
    await expect(another((alive) => dyingAfter(alive, 1)).remove(link?.id ?? '')).rejects.toThrow('killed')
    expect(await links.resolve(person('s1', 'berta@company.com'), 'PLAY')).toEqual(account('berta@company.com'))
    expect(await links.list('anna@company.com')).toEqual([])
    expect(await links.resolve(person('s2', 'anna@company.com'), 'PLAY')).toEqual(account('anna@company.com'))
  })

  it('keep what a second tab has finished while the first was giving up', async () => {
    const { links, another } = world()
    await links.resolve(person('s9', 'nine@company.com', { account: 'anna' }), 'PLAY')
    const [obstacle] = await links.list()
    const anna = person('s1', 'anna@company.com', { account: 'anna' })
    const givingUp = another((store) => ({
      ...store,
      change: async (key, before, after, until) => {
        if (key.startsWith('link/') && before !== undefined && after === undefined) {
          await links.remove(obstacle?.id ?? '')
          expect(await links.resolve(anna, 'PLAY')).toEqual(account('anna'))
        }
        return store.change(key, before, after, until)
      },
    }))
    expect(await givingUp.resolve(anna, 'PLAY')).toEqual(account('anna'))
    expect(await links.resolve(person('s2', 'anna@company.com', { account: 'free' }), 'PLAY')).toMatchObject(conflict)
    expect(await links.resolve(person('s3', 'free@company.com', { account: 'anna' }), 'PLAY')).toMatchObject(conflict)
  })

  it('never let two subjects have one account, in whatever order the writes of three processes meet', async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { another, links } = world()
      const turns = turnsOf(seed)
      const tries = [
        another(turns).resolve(person('s1', 'anna@company.com', { account: 'x' }), 'PLAY'),
        another(turns).resolve(person('s1', 'berta@company.com', { account: 'y' }), 'PLAY'),
        another(turns).resolve(person('s2', 'anna@company.com', { account: 'y' }), 'PLAY'),
        another(turns).resolve(person('s3', 'berta@company.com', { account: 'x' }), 'PLAY'),
        links.list().then(([link]) => link && links.remove(link.id)),
      ]
      await Promise.allSettled(tries)
      const accounts = (await links.list()).map((link) => link.account)
      expect(new Set(accounts).size).toBe(accounts.length)
      for (const name of accounts) expect((await links.list(name)).length).toBe(1)
    }
  })

  it('are listed, all or by account in any case', async () => {
    const { links, clock } = world()
    await links.resolve(person('s1', 'anna@company.com'), 'PLAY')
    await links.resolve(person('s2', 'ben@company.com'), 'PLAY')
    expect((await links.list()).map(({ subject }) => subject).sort()).toEqual(['s1', 's2'])
    expect(await links.list('ANNA@company.com')).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{64}$/),
        account: 'anna@company.com',
        provider: 'PLAY',
        issuer: 'https://idp.company.com',
        subject: 's1',
        email: 'anna@company.com',
        linkedAt: clock.now,
      },
    ])
    expect(await links.list('nobody')).toEqual([])
  })

  it('once removed free account and e-mail for the next one', async () => {
    const { links, log, store } = world()
    await links.resolve(person('s1', 'anna@company.com'), 'PLAY')
    const [link] = await links.list()
    expect(await links.remove(link?.id ?? '')).toBe(true)
    expect(log.audits.at(-1)).toMatchObject({ msg: 'account link removed', fields: { subject: 's1', link: link?.id } })
    expect(await store.list('', 10)).toEqual([])
    expect(await links.remove(link?.id ?? '')).toBe(false)
    expect(await links.remove('../x')).toBe(false)
    expect(await links.resolve(person('s2', 'anna@company.com'), 'PLAY')).toEqual(account('anna@company.com'))
  })

  it('fail at whichever access the store fails, and go on from there when it is back', async () => {
    for (let accesses = 0; accesses < 7; accesses++) {
      const { links, another } = world()
      const broken = another((store) => failingAfter(store, accesses))
      await expect(broken.resolve(person('s1', 'anna@company.com'), 'PLAY')).rejects.toMatchObject({
        reason: 'store-unavailable',
      })
      expect(await links.resolve(person('s1', 'anna@company.com'), 'PLAY')).toEqual(account('anna@company.com'))
      expect(await links.resolve(person('s2', 'anna@company.com'), 'PLAY')).toMatchObject(conflict)
    }
  })

  it('fail when the store fails: nobody gets an account that was not looked up', async () => {
    const { links, store } = world()
    await store.close()
    await expect(links.resolve(person('s1', 'anna@company.com'), 'PLAY')).rejects.toMatchObject({ reason: 'store-unavailable' })
  })
})

/** The process is gone after so many writes: what it writes then is never made. */
function dyingAfter(store: StateStore, writes: number): StateStore {
  let left = writes
  return {
    ...store,
    change: async (...change) => {
      if (left-- <= 0) throw new Error('killed')
      return store.change(...change)
    },
  }
}

/** From then on it cannot be reached. */
function failingAfter(store: StateStore, accesses: number): StateStore {
  let left = accesses
  const asked = () => {
    if (left-- <= 0) throw new PosternError('store-unavailable', 'gone')
  }
  return {
    ...store,
    get: async (key) => {
      asked()
      return store.get(key)
    },
    change: async (...change) => {
      asked()
      return store.change(...change)
    },
  }
}

/** Lets a reproducible number of other turns pass before each access. */
function turnsOf(seed: number): Wrapped {
  let state = seed
  const pause = async () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    for (let turns = (state >> 8) % 13; turns > 0; turns--) await Promise.resolve()
  }
  return (store) => ({
    ...store,
    get: async (key) => {
      await pause()
      return store.get(key)
    },
    change: async (...change) => {
      await pause()
      return store.change(...change)
    },
  })
}
