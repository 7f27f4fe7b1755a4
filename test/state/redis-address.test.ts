import { expect, it } from 'vitest'
import { readRedisAddress } from '../../src/state/redis-address.ts'

it('every form of an address is understood', () => {
  const of = (url: string) => {
    const { kind, isTls, nodes, username, password, database, master } = readRedisAddress(url) ?? { nodes: [] }
    return [kind, isTls, nodes.map(({ host, port }) => `${host}:${port}`).join(), username, password, database, master]
  }
  expect(of('redis://localhost')).toEqual(['single', false, 'localhost:6379', undefined, undefined, 0, ''])
  expect(of('rediss://anna:p%40ss%3Aw@redis.company.com:6380/3')).toEqual([
    'single',
    true,
    'redis.company.com:6380',
    'anna',
    'p@ss:w',
    3,
    '',
  ])
  expect(of('redis://:only@[::1]:6379')).toEqual(['single', false, '::1:6379', undefined, 'only', 0, ''])
  expect(of('redis+sentinel://u:p@a:1,b,c:3/main/2')).toEqual(['sentinel', false, 'a:1,b:26379,c:3', 'u', 'p', 2, 'main'])
  expect(of('rediss+cluster://a:1,[::1]:2/')).toEqual(['cluster', true, 'a:1,::1:2', undefined, undefined, 0, ''])
})

it.each([
  'redis://',
  'http://h',
  'redis://h:65536',
  'redis://h:port',
  'redis://a,b',
  'redis://h?x=1',
  'redis://h#x',
  'redis://a@b@h',
  'redis://%zz@h',
  'redis://h/abc',
  'redis://h/0/1',
  'redis://h h',
  'redis+sentinel://h',
  'redis+sentinel://h/ma in',
  'redis+cluster://a,b/1',
  'redis+cluster://a,,b',
])('%s is none', (url) => expect(readRedisAddress(url)).toBeUndefined())
