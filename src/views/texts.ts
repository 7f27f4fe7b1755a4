// What our pages say beside the catalogue's sentences, in each language there is.
import { describe, type Reason } from '../errors.ts'
import { german } from './german.ts'

export interface Sentences {
  readonly title: string
  readonly sentence: string
}
export interface Texts {
  /** BCP 47, for `<html lang>`. */
  readonly lang: string
  readonly describe: (reason: Reason) => Sentences
  readonly signIn: string
  /** Before the name of the host that asks. */
  readonly signInFor: string
  readonly signInHow: string
  readonly noWay: string
  readonly email: string
  readonly emailNext: string
  /** Before the address that was typed. */
  readonly emailUnknown: string
  /** Before the label of a provider. */
  readonly loginWith: string
  readonly signInAgain: string
  readonly startAgain: string
  readonly otherAccount: string
  readonly otherWays: string
  readonly tryAgain: string
  readonly openSignIn: string
  readonly confirmTitle: string
  readonly confirmSentence: string
  readonly confirmStay: string
  readonly signOut: string
  readonly signedOut: string
  readonly signedOutSentence: string
  /** Before the name of the place where the person is still known. */
  readonly stillSignedIn: string
  readonly stillSignedInAdvice: string
  readonly resumeTitle: string
  readonly resumeSentence: string
  readonly resumeSend: string
  readonly openPage: string
  readonly displaceTitle: string
  readonly displaceOne: string
  /** `count` is more than one. */
  readonly displaceSeveral: (count: number) => string
  /** Before a point in time. */
  readonly since: string
  /** `ends` of `count` sessions. */
  readonly displaceAsk: (ends: number, count: number) => string
  readonly displaceGoOn: (ends: number, count: number) => string
  readonly displaceCancel: string
  readonly displacedTitle: string
  readonly displacedSentence: string
  readonly account: string
  readonly provider: string
  readonly requestId: string
  readonly help: string
}

const endedOf = (ends: number, count: number): string =>
  count === 1
    ? 'that session'
    : ends === 1
      ? 'the oldest session'
      : ends === count
        ? 'all of them'
        : `the ${ends} oldest sessions`

const english: Texts = {
  lang: 'en',
  describe,
  signIn: 'Sign in',
  signInFor: 'to continue to',
  signInHow: 'Choose how you want to sign in.',
  noWay: 'No way of signing in is set up here.',
  email: 'E-mail address',
  emailNext: 'Next',
  emailUnknown: 'No sign-in service is known for the address',
  loginWith: 'Login with',
  signInAgain: 'Sign in again',
  startAgain: 'Start again',
  otherAccount: 'Sign in as somebody else',
  otherWays: 'Other ways to sign in',
  tryAgain: 'Try again',
  openSignIn: 'Sign in',
  confirmTitle: 'Sign out?',
  confirmSentence: 'Another web site asked to sign you out here.',
  confirmStay: 'To stay signed in, just leave this page.',
  signOut: 'Sign out',
  signedOut: 'You are signed out',
  signedOutSentence: 'On a shared computer, close all windows of this browser as well.',
  stillSignedIn: 'You are still signed in at',
  stillSignedInAdvice: 'Signing in here again may not ask for your password.',
  resumeTitle: 'You are signed in again',
  resumeSentence: 'What you had typed was kept and is being sent now.',
  resumeSend: 'Send it now',
  openPage: 'Open the page',
  displaceTitle: 'You are signed in elsewhere',
  displaceOne: 'You are signed in at one other place. More are not allowed at a time.',
  displaceSeveral: (count) => `You are signed in at ${count} other places. More are not allowed at a time.`,
  since: 'Signed in elsewhere since',
  displaceAsk: (ends, count) => `Do you want to end ${endedOf(ends, count)} and go on here? What is not saved there is lost.`,
  displaceGoOn: (ends, count) => `End ${endedOf(ends, count)} and go on here`,
  displaceCancel: 'Do not sign in here',
  displacedTitle: 'You are signed in here now',
  displacedSentence: 'You are signed out at the other place.',
  account: 'Signed in as',
  provider: 'Sign-in service',
  requestId: 'Request ID',
  help: 'Need help?',
}

/** The texts of a language tag (`de`, `de-CH`); English where there are none in it. */
export const textsFor = (language: string): Texts => (/^de(?:[-_]|$)/i.test(language) ? german : english)
