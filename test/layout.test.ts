// The house's arrows: stages import words and never each other, so that each can be read alone.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', 'src')
const files = (folder: string): string[] =>
  readdirSync(folder).flatMap((name) =>
    statSync(join(folder, name)).isDirectory() ? files(join(folder, name)) : [join(folder, name)],
  )
const sources = files(root).map((file) => ({
  name: relative(root, file).replaceAll('\\', '/'),
  text: readFileSync(file, 'utf8'),
}))
const imports = (text: string): string[] =>
  [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => match[1] as string)
const stages = ['destination', 'identity', 'permission', 'rewrite', 'upstream', 'views']
const stageOf = (name: string): string | undefined => stages.find((stage) => name.startsWith(`${stage}/`))
const target = (from: string, specifier: string): string =>
  relative(root, join(root, from, '..', specifier)).replaceAll('\\', '/')
const allImports = sources.flatMap(({ name, text }) =>
  imports(text).map((specifier) => ({ name, specifier, to: specifier.startsWith('.') ? target(name, specifier) : undefined })),
)
const offenders = (wrong: (edge: (typeof allImports)[number]) => boolean) =>
  allImports.filter(wrong).map(({ name, specifier }) => `${name} -> ${specifier}`)

describe('the house', () => {
  it('has sources to look at', () => expect(sources.length).toBeGreaterThan(40))

  it('lets no stage import another', () => {
    expect(
      offenders(
        ({ name, to }) =>
          stageOf(name) !== undefined && to !== undefined && stageOf(to) !== undefined && stageOf(to) !== stageOf(name),
      ),
    ).toEqual([])
  })

  it('lets no stage reach up to connection, config or commands', () => {
    expect(
      offenders(
        ({ name, to }) =>
          stageOf(name) !== undefined && to !== undefined && /^(connection|config|commands|decide|main)\b/.test(to),
      ),
    ).toEqual([])
  })

  it('gives decide the words only', () => {
    expect(offenders(({ name, to }) => name === 'decide.ts' && to !== undefined && to.includes('/'))).toEqual([])
  })

  it('lets the words import no stage', () => {
    const isWord = (name: string) => !name.includes('/') && name !== 'main.ts' && name !== 'decide.ts'
    expect(offenders(({ name, to }) => isWord(name) && to !== undefined && /^(?!expression).*\//.test(to))).toEqual([])
  })

  it('keeps node:http in connection and upstream', () => {
    const outside = (name: string) => !/^(connection|upstream)\//.test(name)
    expect(
      offenders(
        ({ name, specifier }) =>
          outside(name) &&
          /^(node:)?(http|https|net|tls)$/.test(specifier) &&
          !(name === 'addresses.ts' && specifier === 'node:net'),
      ),
    ).toEqual([])
  })

  it('keeps jsonata in expression and express in connection', () => {
    expect(
      offenders(
        ({ name, specifier }) =>
          (specifier === 'jsonata' && !name.startsWith('expression/')) ||
          (specifier === 'express' && !name.startsWith('connection/')),
      ),
    ).toEqual([])
  })

  it('asks the time of nobody but the clock that was passed in', () => {
    const asking = sources.filter(
      ({ name, text }) =>
        stageOf(name) && /Date\.now\(|new Date\(\)|performance\.now\(/.test(text.replace(/\/\/.*|\/\*[\s\S]*?\*\//g, '')),
    )
    expect(asking.map(({ name }) => name)).toEqual([])
  })

  it('has no folder or file for leftovers, no default exports, no barrels', () => {
    expect(sources.filter(({ name }) => /(utils?|helpers?|common|manager|misc)\b/.test(name)).map(({ name }) => name)).toEqual([])
    expect(sources.filter(({ text }) => /^export default/m.test(text)).map(({ name }) => name)).toEqual([])
    expect(
      sources.filter(({ name, text }) => /export \* from/.test(text) && name.endsWith('index.ts')).map(({ name }) => name),
    ).toEqual([])
  })
})
