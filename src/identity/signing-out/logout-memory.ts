// What a process remembers of providers' messages that somebody was signed out: which counted, and how many more may.
import type { Clock } from '../../types.ts'
import { createUsedTokens, type UsedTokens } from './back-channel.ts'
import { type Allowance, createAllowance } from './front-channel.ts'

export interface LogoutMemory {
  /** Where there is no board. */
  readonly used: UsedTokens
  readonly allowance: Allowance
}

export const createLogoutMemory = (clock: Clock): LogoutMemory => ({
  used: createUsedTokens(clock),
  allowance: createAllowance(),
})
