// Where accounts are remembered on Kubernetes: the state file lies on a volume that outlives the pod, and only one pod writes it.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Deployment } from 'kubernetes-models/apps/v1'
import { PersistentVolumeClaim } from 'kubernetes-models/v1'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { check } from '../../src/commands/check.ts'
import { loadConfig } from '../../src/config/load.ts'
import { render, type Tree } from '../deploy/kustomize.ts'

const folder = fileURLToPath(new URL('../../deploy/kubernetes/with-accounts', import.meta.url))
const objects = render(folder)
const find = (kind: string): Tree => objects.find((object) => object['kind'] === kind)!
const pod: Tree = find('Deployment')['spec'].template.spec
const container = (name: string): Tree => pod['containers'].find((one: Tree) => one['name'] === name)
const posternYaml: string = find('ConfigMap')['data']['postern.yaml']

let scratch: string
let file: string
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'postern-state-manifests-'))
  file = join(scratch, 'postern.yaml')
  writeFileSync(file, posternYaml)
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('the manifests with accounts', () => {
  it('are what the Kubernetes API accepts, a claim of a volume among them', () => {
    expect(objects.map(({ kind }) => kind).sort()).toEqual([
      'ConfigMap',
      'Deployment',
      'NetworkPolicy',
      'PersistentVolumeClaim',
      'Service',
    ])
    expect(() => new Deployment(find('Deployment') as never).validate()).not.toThrow()
    expect(() => new PersistentVolumeClaim(find('PersistentVolumeClaim') as never).validate()).not.toThrow()
  })

  it('hold a configuration that `postern check` accepts, with links and provisioning', async () => {
    const lines: string[] = []
    const say = (line: string) => lines.push(line)
    expect([await check({ config: file, online: false, withoutSecrets: true }, say, say), lines.join('\n')]).toEqual([
      0,
      expect.not.stringMatching(/warning:|error:|not configured|disabled/),
    ])
    expect(posternYaml).toMatch(/\n {4}link: [\s\S]*\n {8}provision:/)
  })

  it('mount the folder of the state file, writable, from the claim, into Postern and nobody else', async () => {
    const { config } = await loadConfig(file, { withoutSecrets: true })
    const state = config.server.state ?? ''
    expect(state).toMatch(/^sqlite:\//)
    const mount = container('postern')['volumeMounts'].find(
      ({ mountPath }: Tree) => mountPath === dirname(state.replace('sqlite:', '')),
    )
    expect(mount).toBeDefined()
    expect(mount.readOnly ?? false).toBe(false)
    expect(mount.subPath).toBeUndefined()
    const volume = pod['volumes'].find(({ name }: Tree) => name === mount.name)
    expect(volume.persistentVolumeClaim).toEqual({ claimName: find('PersistentVolumeClaim')['metadata'].name })
    expect(pod['securityContext'].fsGroup).toBe(container('postern')['securityContext'].runAsGroup)
    expect(container('portal')['volumeMounts']).toBeUndefined()
  })

  it('never run two pods on one file', () => {
    const { replicas, strategy } = find('Deployment')['spec']
    expect([replicas, strategy.type, strategy.rollingUpdate ?? null]).toEqual([1, 'Recreate', null])
  })

  it('give Postern every secret that the configuration names', () => {
    const { items } = pod['volumes'].find(({ name }: Tree) => name === 'secrets').secret
    const named = [...posternYaml.matchAll(/\$\{file:\/run\/secrets\/postern\/([^}]+)\}/g)].map(([, name]) => name)
    expect(named.sort()).toEqual(items.map(({ path }: Tree) => path).sort())
  })
})

it.runIf(spawnSync('kubectl', ['version', '--client']).status === 0)('kubectl kustomize renders the same pod', () => {
  const theirs = parseAllDocuments(execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8' })).map(
    (one) => one.toJSON() as Tree,
  )
  expect(theirs.map(({ kind }) => kind).sort()).toEqual(objects.map(({ kind }) => kind).sort())
  const { spec } = theirs.find(({ kind }) => kind === 'Deployment')!
  expect(spec.strategy).toEqual({ type: 'Recreate' })
  const byName = (list: Tree[]) => list.toSorted((a, b) => String(a['name']).localeCompare(String(b['name'])))
  expect(byName(spec.template.spec.volumes)).toEqual(byName(pod['volumes']))
})
