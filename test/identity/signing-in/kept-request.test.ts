import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PosternError } from '../../../src/errors.ts'
import {
  createKeptRequests,
  type KeptRequests,
  largestKept,
  resumePath,
  slotIn,
} from '../../../src/identity/signing-in/kept-request.ts'
import { readPostedForm } from '../../../src/identity/signing-in/posted-form.ts'
import { createMemoryBoard } from '../../../src/state/board-memory.ts'
import { minute, noon, requestOf, rulesOf } from '../harness.ts'

const anna = { issuer: 'https://idp.company.com', subject: 'anna' }
const bert = { ...anna, subject: 'bert' }
const rules = rulesOf('home')
const portal = { name: 'home', origin: 'https://home.company.com', session: rules }
const bytes = (text: string): Uint8Array => Buffer.from(text)
const typed = (extra: { person?: typeof anna; body?: Uint8Array; path?: string; query?: string; cookies?: string } = {}) => {
  const { person = anna, body = bytes('text=hello'), path = '/notes', query = '?to=a%20b', cookies = '' } = extra
  return { person, portal, body, request: requestOf({ method: 'POST', path, query, cookies }) }
}
interface Place {
  readonly slot: string
  readonly cookies: readonly string[]
}
const keep = async (kept: KeptRequests, ...more: Parameters<typeof typed>): Promise<Place> => {
  const place = await kept.keep(typed(...more))
  if (!place) throw new Error('not kept')
  return place
}
/** The browser that was given the cookies. */
const bringing = ({ cookies }: Place) => ({ cookies: cookies.map((cookie) => cookie.split(';')[0]).join('; ') })

class Clock {
  now = noon
  readonly read = () => this.now
}
const world = (limits?: { bytes: number; entries: number; ofOnePerson: number }) => {
  const clock = new Clock()
  return { clock, kept: createKeptRequests({ clock: clock.read, ...(limits ? { limits } : {}) }) }
}

describe('what somebody had typed', () => {
  it('is given back as it was, once', async () => {
    const { kept } = world()
    const place = await keep(kept, { body: bytes('text=Gr%C3%BC%C3%9Fe%0D%0A2+lines&submit=&text=again') })
    expect(await kept.take(place.slot, bringing(place), rules)).toEqual({
      ...anna,
      portal: 'home',
      target: '/notes?to=a%20b',
      fields: [
        ['text', 'Grüße\r\n2 lines'],
        ['submit', ''],
        ['text', 'again'],
      ],
    })
    expect(await kept.take(place.slot, bringing(place), rules)).toBeUndefined()
    expect([kept.size, kept.bytes]).toEqual([0, 0])
  })

  it('is given back once even where it is asked for twice at the same time', async () => {
    const { kept } = world()
    const place = await keep(kept)
    const both = await Promise.all([1, 2].map(() => kept.take(place.slot, bringing(place), rules)))
    expect(both.filter(Boolean)).toHaveLength(1)
  })

  it('is kept under a cookie that no script and no other site reads, for ten minutes', async () => {
    const { kept } = world()
    const place = await keep(kept)
    const key = '[A-Za-z0-9_-]{43}'
    expect(place.cookies).toEqual([
      expect.stringMatching(`^__Host-postern-home\\.k${place.slot}=${key}; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=600$`),
    ])
  })

  it('is over after ten minutes, and then forgotten', async () => {
    const { clock, kept } = world()
    const place = await keep(kept)
    clock.now += 10 * minute - 1
    const later = await keep(kept)
    kept.prune()
    expect(kept.size).toBe(2)
    clock.now += 1
    expect(await kept.take(place.slot, bringing(place), rules)).toBeUndefined()
    kept.prune()
    expect(kept.size).toBe(1)
    expect(await kept.take(later.slot, bringing(later), rules)).toBeDefined()
  })

  it('opens for no other browser, and stays for the right one', async () => {
    const { kept } = world()
    const place = await keep(kept)
    const other = await keep(kept)
    const stolen = { cookies: bringing(other).cookies.replace(other.slot, place.slot) }
    for (const cookies of ['', `__Host-postern-home.k${place.slot}=`, `__Host-postern-home.k${place.slot}=short`, stolen.cookies])
      expect(await kept.take(place.slot, { cookies }, rules)).toBeUndefined()
    expect(await kept.take(place.slot, bringing(place), rules)).toBeDefined()
  })

  it('cannot be read in memory: neither what, nor whose, nor for which page', async () => {
    const seen: string[] = []
    const original = Map.prototype.set
    Map.prototype.set = function (key, value) {
      if (value?.sealed) seen.push(Buffer.from(value.sealed).toString('latin1'), JSON.stringify({ ...value, sealed: '' }))
      return original.call(this, key, value)
    }
    try {
      await keep(world().kept, { body: bytes('text=hello') })
    } finally {
      Map.prototype.set = original
    }
    expect(seen).toHaveLength(2)
    for (const secret of ['hello', 'anna', 'notes', 'idp.company']) expect(seen.join(' ')).not.toContain(secret)
  })
})

describe('what somebody had typed, kept for all replicas', () => {
  const replicas = (limits?: { bytes: number; entries: number; ofOnePerson: number }) => {
    const clock = new Clock()
    const real = createMemoryBoard({ clock: clock.read })
    const state = { down: false, texts: new Map<string, string>() }
    const up = () => {
      if (state.down) throw new PosternError('store-unavailable', 'down')
    }
    const board = {
      ...real,
      put: async (key: string, text: string, forMs: number) => {
        up()
        state.texts.set(key, text)
        await real.put(key, text, forMs)
      },
      get: async (key: string) => {
        up()
        return real.get(key)
      },
      take: async (key: string) => {
        up()
        return real.take(key)
      },
    }
    const of = () => createKeptRequests({ clock: clock.read, board, ...(limits ? { limits } : {}) })
    return { clock, state, real, one: of(), two: of() }
  }

  it('is given back by another one, once', async () => {
    const { one, two } = replicas()
    const place = await keep(one)
    const all = await Promise.all([one, two, two, one].map((kept) => kept.take(place.slot, bringing(place), rules)))
    expect(all.filter(Boolean)).toEqual([expect.objectContaining({ target: '/notes?to=a%20b', fields: [['text', 'hello']] })])
    expect(await two.take(place.slot, bringing(place), rules)).toBeUndefined()
  })

  it('stays for the browser that has the key when another one asks', async () => {
    const { one, two } = replicas()
    const place = await keep(one)
    const other = await keep(one)
    const stolen = { cookies: bringing(other).cookies.replace(other.slot, place.slot) }
    expect(await two.take(place.slot, stolen, rules)).toBeUndefined()
    expect(await two.take(place.slot, bringing(place), rules)).toBeDefined()
  })

  it('cannot be read there: neither what, nor whose, nor for which page', async () => {
    const { one, state } = replicas()
    await keep(one, { body: bytes('text=hello') })
    const dump = JSON.stringify(
      [...state.texts].map(([key, text]) => [key, text, Buffer.from(text, 'base64').toString('latin1')]),
    )
    expect(state.texts.size).toBe(1)
    for (const secret of ['hello', 'anna', 'notes', 'idp.company']) expect(dump).not.toContain(secret)
  })

  it('is over after ten minutes', async () => {
    const { one, two, clock } = replicas()
    const place = await keep(one)
    clock.now += 10 * minute
    expect(await two.take(place.slot, bringing(place), rules)).toBeUndefined()
  })

  it('has the same limits: what is pushed out is gone for all', async () => {
    const { one, two } = replicas({ bytes: 1_000_000, entries: 6, ofOnePerson: 2 })
    const places = [await keep(one, { person: bert }), await keep(one), await keep(one), await keep(one)] as const
    expect(one.size).toBe(3)
    const back = []
    for (const place of places) back.push((await two.take(place.slot, bringing(place), rules)) !== undefined)
    expect(back).toEqual([true, false, true, true])
  })

  it('is kept by this process alone while nothing can be shared', async () => {
    const { one, two, state } = replicas()
    state.down = true
    const place = await keep(one)
    expect(await one.take(place.slot, bringing(place), rules)).toBeDefined()
    const later = await keep(one)
    state.down = false
    expect(await two.take(later.slot, bringing(later), rules)).toBeUndefined()
    expect(await one.take(later.slot, bringing(later), rules)).toBeDefined()
  })

  it('is given back once even where the board took it and could not say so', async () => {
    const { clock, one, real } = replicas()
    const unsure = {
      ...real,
      put: async (...given: Parameters<typeof real.put>) => {
        await real.put(...given)
        throw new PosternError('store-unavailable', 'the answer was lost')
      },
    }
    const kept = createKeptRequests({ clock: clock.read, board: unsure })
    const place = await keep(kept)
    expect(await one.take(place.slot, bringing(place), rules)).toBeUndefined()
    expect(await kept.take(place.slot, bringing(place), rules)).toBeDefined()
  })

  it('is still there where it could not be asked for', async () => {
    const { one, two, state } = replicas()
    const place = await keep(one)
    state.down = true
    await expect(two.take(place.slot, bringing(place), rules)).rejects.toMatchObject({ reason: 'store-unavailable' })
    state.down = false
    expect(await two.take(place.slot, bringing(place), rules)).toBeDefined()
  })

  it('is kept by this process alone where it is too large to be shared', async () => {
    const { one, two, state } = replicas()
    const place = await keep(one, { body: bytes('a&'.repeat(32_000)) })
    expect(state.texts.size).toBe(0)
    expect(await two.take(place.slot, bringing(place), rules)).toBeUndefined()
    expect((await one.take(place.slot, bringing(place), rules))?.fields).toHaveLength(32_000)
  })
})

describe('the room for it', () => {
  it('has an end: the oldest goes', async () => {
    const { kept } = world({ bytes: 1_000_000, entries: 3, ofOnePerson: 3 })
    const places: Place[] = []
    for (const subject of ['a', 'b', 'c', 'd']) places.push(await keep(kept, { person: { ...anna, subject } }))
    expect(kept.size).toBe(3)
    const [first, second] = places as [Place, Place]
    expect(await kept.take(first.slot, bringing(first), rules)).toBeUndefined()
    expect(await kept.take(second.slot, bringing(second), rules)).toBeDefined()
  })

  it('has an end in bytes too', async () => {
    const { kept } = world({ bytes: 5000, entries: 100, ofOnePerson: 100 })
    for (let i = 0; i < 9; i++) await keep(kept, { body: bytes(`a=${'x'.repeat(1000)}`) })
    expect(kept.bytes).toBeLessThanOrEqual(5000)
    expect(kept.size).toBe(4)
  })

  it('is not taken from the others by one person', async () => {
    const { kept } = world({ bytes: 1_000_000, entries: 6, ofOnePerson: 2 })
    const place = await keep(kept, { person: bert })
    for (let i = 0; i < 10; i++) await keep(kept)
    expect(kept.size).toBe(3)
    expect(await kept.take(place.slot, bringing(place), rules)).toBeDefined()
  })

  it('holds 16 MiB of the largest forms, and no larger form', async () => {
    const { kept } = world()
    expect(await kept.keep(typed({ body: bytes(`a=${'x'.repeat(largestKept - 2)}`) }))).toBeDefined()
    expect(await kept.keep(typed({ body: bytes(`a=${'x'.repeat(largestKept - 1)}`) }))).toBeUndefined()
    for (let i = 0; i < 300; i++)
      await keep(kept, { person: { ...anna, subject: `p${i}` }, body: bytes(`a=${'x'.repeat(65_000)}`) })
    expect(kept.size).toBeLessThanOrEqual(256)
    expect(kept.bytes).toBeLessThanOrEqual(16 * 1024 * 1024)
  })

  it('leaves three keys in a browser, the newest', async () => {
    const { clock, kept } = world()
    let cookies = 'other=1; __Host-postern-home.kx=1'
    for (let i = 0; i < 5; i++) {
      clock.now += 1000
      const place = await keep(kept, { cookies })
      const gone = place.cookies.filter((cookie) => cookie.includes('Max-Age=0')).map((cookie) => cookie.split('=')[0] as string)
      expect(gone).toHaveLength(i < 3 ? 0 : 1)
      const left = cookies.split('; ').filter((pair) => !gone.includes(pair.split('=')[0] as string))
      cookies = [...left, (place.cookies[0] as string).split(';')[0]].join('; ')
    }
    expect(cookies.match(/\.k[0-9a-z]{9}/g)).toHaveLength(3)
    expect(cookies).toContain('other=1')
  })
})

describe('what could not be sent again as it was is not kept', () => {
  it.each([
    ['Latin-1, encoded', bytes('name=M%FCller')],
    ['Latin-1, raw', Buffer.from('name=Müller', 'latin1')],
    ['a broken percent', bytes('a=100%')],
    ['a control character', bytes('a=%00')],
    ['a lone line feed', bytes('a=1%0A2')],
    ['a lone carriage return', bytes('a=1%0D2')],
    ['a surrogate', bytes('a=%ED%A0%80')],
    ['a field without a name', bytes('=1')],
  ])('%s', async (_, body) => {
    const { kept } = world()
    expect(await kept.keep(typed({ body }))).toBeUndefined()
    expect(kept.size).toBe(0)
  })

  it.each([
    ['/a', '?q=<b>'],
    ['/a', '?q="'],
    ['/a', '?ü=1'],
    ['//evil.example/', ''],
    ['/a/../b', ''],
    ['/\\evil.example', ''],
  ])('an address that a browser would change: %s%s', async (path, query) => {
    expect(await world().kept.keep(typed({ path, query }))).toBeUndefined()
  })

  it.each([
    ['', []],
    ['a=1', [['a', '1']]],
    ['a', [['a', '']]],
    ['a=b=c', [['a', 'b=c']]],
    ['a+b=%2B+%26', [['a b', '+ &']]],
    ['x=%F0%9F%90%8E', [['x', '🐎']]],
    ['x=%EF%BB%BFbom', [['x', '\ufeffbom']]],
    [
      '__proto__=1&constructor=2',
      [
        ['__proto__', '1'],
        ['constructor', '2'],
      ],
    ],
  ])('but %j is', (body, fields) => expect(readPostedForm(bytes(body))).toEqual(fields))

  it('and what a browser encodes comes back as it was', () => {
    const text = fc
      .string({ unit: 'grapheme' })
      .map((value) => value.replace(/\r\n|[\r\n]/g, '\r\n').replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, ''))
    fc.assert(
      fc.property(fc.array(fc.tuple(text.filter(Boolean), text)), (fields) => {
        expect(readPostedForm(bytes(new URLSearchParams(fields).toString()))).toEqual(fields)
      }),
    )
  })

  it('and no bytes whatever make it throw', () => {
    fc.assert(fc.property(fc.uint8Array(), (body) => void readPostedForm(body)))
  })
})

describe('the name of a place', () => {
  it('is nothing else than what we gave out', async () => {
    const { slot } = await keep(world().kept)
    expect(slotIn(slot)).toBe(slot)
    for (const text of [null, undefined, '', 'x', `${slot}x`, `../${slot}`, `${slot}\n`, slot.toUpperCase()])
      expect(slotIn(text)).toBeUndefined()
    expect(resumePath('/_postern', slot, '/a?b=c&d')).toBe(`/_postern/resume/${slot}?return=%2Fa%3Fb%3Dc%26d`)
  })
})
