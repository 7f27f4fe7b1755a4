// What cannot be right about the limit of sessions per person.
import type { Reading } from '../reading.ts'
import type { Config } from '../schema.ts'

export function checkSessionLimit({ session: { store, maxPerUser, onLimit } }: Config, { problems }: Reading): void {
  if (maxPerUser === 0 && onLimit === 'displace')
    problems.warning(['session', 'onLimit'], 'asks nobody: there is no limit of sessions', 'add maxPerUser: 1, or take it away')
  if (maxPerUser > 0 && store === 'cookie' && !problems.isSettled(['session', 'store']))
    problems.add({
      severity: 'error',
      path: ['session', 'maxPerUser'],
      message: 'cannot be counted: sessions live in the cookies of browsers',
      advice: 'write store: memory where there is one process, or redis://HOST:6379 for any number of replicas',
      atKey: true,
    })
}
