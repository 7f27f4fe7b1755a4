// The people of the demo. Passwords and PINs in clear text, because everybody is meant to read them.

export interface Account {
  readonly user: string
  readonly password: string
  /** Of the security key that FIDO asks for. */
  readonly pin: string
  readonly name: string
  readonly email: string
  /** The hosted domain, as Google calls it: the demo's rule asks for mycompany.com. */
  readonly hd: string
  readonly groups: readonly string[]
}

export const accounts: readonly Account[] = [
  {
    user: 'anna',
    password: 'anna-pw',
    pin: 'anna-pin',
    name: 'Anna Almeida',
    email: 'anna@mycompany.com',
    hd: 'mycompany.com',
    groups: ['staff', 'admins'],
  },
  {
    user: 'bert',
    password: 'bert-pw',
    pin: 'bert-pin',
    name: 'Bert Müller',
    email: 'bert@mycompany.com',
    hd: 'mycompany.com',
    groups: ['staff'],
  },
  {
    user: 'carl',
    password: 'carl-pw',
    pin: 'carl-pin',
    name: 'Carl Otto',
    email: 'carl@other.org',
    hd: 'other.org',
    groups: ['guests'],
  },
]
