// The portal of clients: takes files, and has a sign-in of its own, which people may keep using beside Postern's.
import { listen, type Running } from '../listen.ts'
import { greet, type Link, userOf } from './greeting.ts'
import { createOwnSignIn } from './own-sign-in.ts'
import { upload } from './upload.ts'

export function startClient(neighbours: readonly Link[]): Promise<Running> {
  const ownSignIn = createOwnSignIn()
  const links = [...neighbours, { name: 'upload', url: '/upload' }]
  return listen((request, response) => {
    if (!userOf(request) && ownSignIn(request, response)) return
    upload(request, response) || greet(request, response, links, 'client')
  })
}
