// What one provider's people go through, in its order: nothing is written before the rules have spoken.
import { describe, expect, it } from 'vitest'
import { createAccountLinks } from '../../../src/identity/accounts/account-links.ts'
import { createEnrolment } from '../../../src/identity/accounts/enrolment.ts'
import { createMemoryState } from '../../../src/state/memory.ts'
import type { Identity } from '../../../src/types.ts'
import { identityOf, noon, requestOf, TestClock, TestLog } from '../harness.ts'

const at = { portal: 'home', request: requestOf(), now: noon }
const person = (subject: string, account: string, email = `${subject}@company.com`): Identity =>
  identityOf(subject, { account, email, claims: { sub: subject, email, email_verified: true } })

function linking() {
  const store = createMemoryState({ clock: new TestClock().read })
  const links = createAccountLinks({ store, log: new TestLog(), clock: new TestClock().read })
  return { links, enrolment: createEnrolment({ postLogin: [], link: { links, options: {} }, provision: new Map() }) }
}

describe('an enrolment with links', () => {
  it('shapes without a trace, and links whom the rules have let in', async () => {
    const { links, enrolment } = linking()
    const shaped = await enrolment.shape(person('s1', 'anna'), at, undefined, true)
    expect(await links.list()).toEqual([])
    await enrolment.provision(shaped, at)
    expect(await links.list()).toMatchObject([{ subject: 's1', account: 'anna' }])
    expect((await enrolment.shape(person('s1', 'married'), at, undefined, true)).account).toBe('anna')
  })

  it('lets nobody in under an account that the rules have not seen', async () => {
    const { enrolment } = linking()
    const tabs = [
      await enrolment.shape(person('s1', 'anna'), at, undefined, true),
      await enrolment.shape(person('s1', 'chief'), at, undefined, true),
    ] as const
    await enrolment.provision(tabs[0], at)
    await expect(enrolment.provision(tabs[1], at)).rejects.toMatchObject({ reason: 'store-unavailable' })
  })

  it('lets one of two in who were both free to have it when they were shaped', async () => {
    const { links, enrolment } = linking()
    const one = await enrolment.shape(person('s1', 'chief'), at, undefined, true)
    const two = await enrolment.shape(person('s2', 'chief'), at, undefined, true)
    await enrolment.provision(one, at)
    await expect(enrolment.provision(two, at)).rejects.toMatchObject({ reason: 'link-conflict' })
    expect((await links.list()).map(({ subject }) => subject)).toEqual(['s1'])
  })
})
