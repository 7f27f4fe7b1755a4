// Whose turn it is. An evaluation never waits for anything outside, so running them one after another costs nothing, and each is
// given its own time: a crowd that arrives at once would else use up everybody's 50 ms together. An expression that was slow
// queues by itself, and leaves the process to everybody else for as long as it held it.
import { EvaluationError } from './errors.ts'

/** Milliseconds after which others come first, and after which an expression counts as slow. */
const noticed = 5
const tooLong = 25
/** Evaluations of slow expressions that wait; one more is refused at once, instead of in half a minute. */
const mostWaiting = 100

let last: Promise<unknown> = Promise.resolve()
let lastSlow: Promise<unknown> = Promise.resolve()
let waiting = 0
const slow = new WeakSet<object>()

/** @param expression by its identity: whether it was slow the last time */
export function inTurn<T>(expression: object, evaluate: () => Promise<T>): Promise<T> {
  if (slow.has(expression)) return among(expression, evaluate)
  const turn = last.then((): Turn<T> | Promise<Turn<T>> => {
    // found out while this one waited
    if (slow.has(expression)) return { later: among(expression, evaluate) }
    return timed(expression, evaluate).then((known) => ({ known }))
  })
  last = turn.then((given) => ('known' in given && given.known.took > noticed ? afterOthers() : undefined))
  return turn.then((given) => ('later' in given ? given.later : given.known.settle()))
}

/** The slow ones. */
function among<T>(expression: object, evaluate: () => Promise<T>): Promise<T> {
  if (waiting >= mostWaiting) return Promise.reject(new EvaluationError('too many wait for their turn'))
  waiting++
  const turn = lastSlow
    .then(() => timed(expression, evaluate))
    .finally(() => {
      waiting--
    })
  lastSlow = turn.then(({ took }) => (took > tooLong ? asLongAgain(took) : undefined))
  return turn.then(({ settle }) => settle())
}

type Turn<T> = { readonly later: Promise<T> } | { readonly known: Timed<T> }
interface Timed<T> {
  /** Milliseconds. */
  readonly took: number
  /** What it gave, or throws what it threw. */
  readonly settle: () => T
}

async function timed<T>(expression: object, evaluate: () => Promise<T>): Promise<Timed<T>> {
  const begun = performance.now()
  const settle = await evaluate().then(
    (value) => () => value,
    (error: unknown) => () => {
      throw error
    },
  )
  const took = performance.now() - begun
  if (took > tooLong) slow.add(expression)
  else slow.delete(expression)
  return { took, settle }
}

const afterOthers = (): Promise<void> => new Promise((resume) => setImmediate(resume))
/** Keeps a command alive that waits for the rest; a moment only. */
const asLongAgain = (took: number): Promise<void> => new Promise((resume) => setTimeout(resume, took))
