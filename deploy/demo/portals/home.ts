// The portal of the company's own people: notes, a vault, and every header it received.
import { listen, type Running } from '../listen.ts'
import { greet, type Link } from './greeting.ts'
import { createNotes } from './notes.ts'

const own: readonly Link[] = [
  { name: 'notes', url: '/notes' },
  { name: 'vault', url: '/vault' },
  { name: 'password', url: '/account/password' },
]

export function startHome(neighbours: readonly Link[]): Promise<Running> {
  const notes = createNotes()
  return listen((request, response) => {
    notes(request, response) || greet(request, response, [...neighbours, ...own], 'home')
  })
}
