// Many people at once, each in a browser of their own: pages, orders, WebSockets, for as long as they are told to. They write down
// whatever should not have happened to them.
import { Agent, request as httpRequest } from 'node:http'
import { WebSocket } from 'ws'

export interface Crowd {
  /** Everybody goes on until each has got `more` further pages of their own. */
  pages(more: number): Promise<void>
  readonly tally: Tally
  stop(): Promise<void>
}
export interface Tally {
  pages: number
  orders: number
  messages: number
  /** 502, 503, 504, or a connection that broke: tried again. */
  interrupted: number
  /** Times a WebSocket had to be opened anew. */
  reopened: number
  /** Milliseconds that single answers took, in no order. */
  readonly took: number[]
  /** What must never happen: a sign-in asked for, somebody else's page, an answer nobody expects. */
  readonly wrong: string[]
}
export interface Member {
  readonly account: string
  readonly cookie: string
}

interface Answer {
  readonly status: number
  readonly body: string
  readonly setCookies: readonly string[]
}

export function createCrowd(members: readonly Member[], url: string, sockets: number): Crowd {
  const tally: Tally = { pages: 0, orders: 0, messages: 0, interrupted: 0, reopened: 0, took: [], wrong: [] }
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  let isOver = false
  const goals = members.map(() => ({ pages: 0 }))
  const speaking = new Map<string, () => void>()
  const waiting: (() => void)[] = []
  const closing = new Set<() => void>()
  const told = () => {
    for (const check of waiting) check()
  }
  const people = members.map((member, at) => live(member, at))
  const doors = members.slice(0, sockets).map((member) => talk(member))

  async function live(member: Member, at: number): Promise<void> {
    let cookie = member.cookie
    for (let round = 0; !isOver; round++) {
      const isOrder = round % 4 === 3
      const order = `${member.account}-${round}`
      const answer = await ask(
        agent,
        `${url}/${isOrder ? `order?order=${order}` : 'page'}`,
        isOrder ? 'POST' : 'GET',
        cookie,
        tally,
      )
      if (!answer) continue
      if (answer.status === 200 && answer.body.includes(`page of ${member.account} with`)) {
        if (isOrder) tally.orders++
        tally.pages++
        const goal = goals[at]
        if (goal) goal.pages++
        cookie = renewed(cookie, answer.setCookies)
        speaking.get(member.account)?.()
        told()
      } else if ([502, 503, 504].includes(answer.status)) tally.interrupted++
      else tally.wrong.push(`${member.account}: ${answer.status} ${answer.body.slice(0, 200)}`)
    }
  }

  async function talk({ account, cookie }: Member): Promise<void> {
    while (!isOver) {
      const { host, port, origin } = new URL(url)
      const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { headers: { cookie, host }, origin })
      await new Promise<void>((gone) => {
        // one word for each page
        speaking.set(account, () => {
          if (socket.readyState === WebSocket.OPEN) socket.send('hello')
        })
        closing.add(() => socket.terminate())
        socket.on('message', (text) => {
          const [whose] = String(text).split(': ')
          if (whose !== account) tally.wrong.push(`${account} heard what was said to ${whose}`)
          tally.messages++
        })
        socket.on('unexpected-response', (_request, answer) => {
          if (![502, 503, 504].includes(answer.statusCode ?? 0))
            tally.wrong.push(`${account}: socket refused with ${answer.statusCode}`)
          answer.resume()
          socket.terminate()
          gone()
        })
        socket.on('error', () => undefined)
        socket.on('close', () => gone())
      })
      if (!isOver) tally.reopened++
    }
  }

  return {
    tally,
    pages: (more) => {
      const wanted = goals.map(({ pages }) => pages + more)
      return new Promise((resolve) => {
        const check = () => {
          if (!goals.every(({ pages }, at) => pages >= (wanted[at] ?? 0))) return
          waiting.splice(waiting.indexOf(check), 1)
          resolve()
        }
        waiting.push(check)
        check()
      })
    },
    stop: async () => {
      isOver = true
      for (const close of closing) close()
      await Promise.all([...people, ...doors])
      agent.destroy()
    },
  }
}

/** What a browser's jar would make of it; a deletion leaves it empty. */
function renewed(cookie: string, setCookies: readonly string[]): string {
  const jar = new Map(cookie.split('; ').map((pair) => [pair.slice(0, pair.indexOf('=')), pair] as const))
  for (const line of setCookies) {
    const pair = line.split(';', 1)[0] ?? ''
    jar.set(pair.slice(0, pair.indexOf('=')), pair)
  }
  return [...jar.values()].join('; ')
}

/** undefined: the connection broke. */
function ask(agent: Agent, url: string, method: string, cookie: string, tally: Tally): Promise<Answer | undefined> {
  const { port, pathname, search, host } = new URL(url)
  const begun = performance.now()
  return new Promise((resolve) => {
    const broken = () => {
      tally.interrupted++
      setImmediate(() => resolve(undefined))
    }
    const headers = {
      Host: host,
      Cookie: cookie,
      Accept: 'text/html',
      'Sec-Fetch-Mode': 'navigate',
      'Sec-Fetch-Dest': 'document',
    }
    const asking = httpRequest({ host: '127.0.0.1', port, path: pathname + search, method, headers, agent }, (answer) => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk) => (body += chunk))
      answer.on('error', broken)
      answer.on('end', () => {
        tally.took.push(performance.now() - begun)
        resolve({ status: answer.statusCode ?? 0, body, setCookies: answer.headers['set-cookie'] ?? [] })
      })
    })
    asking.on('error', broken)
    asking.end()
  })
}
