// The Kubernetes manifests, held against the API's own models and against what they promise: nobody walks around Postern.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Deployment } from 'kubernetes-models/apps/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, Service } from 'kubernetes-models/v1'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { check } from '../../src/commands/check.ts'
import { loadConfig } from '../../src/config/load.ts'
import { render, type Tree } from './kustomize.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folderOf = (variant: string): string => join(root, 'deploy/kubernetes', variant)
const variants = ['sidecar', 'behind-webseal', 'replicas'] as const
const models: Readonly<Record<string, new (data: never) => { validate(): void }>> = {
  ConfigMap,
  Deployment,
  NetworkPolicy,
  PodDisruptionBudget,
  Service,
}
const modules: Readonly<Record<string, string>> = {
  ConfigMap: 'v1',
  Service: 'v1',
  Deployment: 'apps/v1',
  NetworkPolicy: 'networking.k8s.io/v1',
  PodDisruptionBudget: 'policy/v1',
}

const find = (objects: readonly Tree[], kind: string): Tree => objects.find((object) => object['kind'] === kind)!
const podOf = (objects: readonly Tree[]): Tree => find(objects, 'Deployment')['spec'].template.spec
const containerOf = (objects: readonly Tree[], name: string): Tree =>
  podOf(objects)['containers'].find((container: Tree) => container['name'] === name)
const admittedPorts = (objects: readonly Tree[]): number[] =>
  find(objects, 'NetworkPolicy')['spec'].ingress.flatMap((rule: Tree) => rule['ports'].map((entry: Tree) => entry['port']))

let scratch: string
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'postern-manifests-'))
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe.each(variants)('the manifests of %s', (variant) => {
  const objects = render(folderOf(variant))
  const posternYaml: string = find(objects, 'ConfigMap')['data']['postern.yaml']
  const embedded = () => {
    const file = join(scratch, `${variant}.yaml`)
    writeFileSync(file, posternYaml)
    return file
  }

  it('are what the Kubernetes API accepts', () => {
    const more = variant === 'replicas' ? ['PodDisruptionBudget'] : []
    expect(objects.map((object) => object['kind']).sort()).toEqual([
      'ConfigMap',
      'Deployment',
      'NetworkPolicy',
      ...more,
      'Service',
    ])
    for (const object of objects) expect(() => new models[object['kind']]!(object as never).validate()).not.toThrow()
  })

  it('hold a configuration that `postern check` accepts', async () => {
    const lines: string[] = []
    const say = (line: string) => lines.push(line)
    const code = await check({ config: embedded(), online: false, withoutSecrets: true }, say, say)
    expect([code, lines.join('\n')]).toEqual([0, expect.not.stringMatching(/warning:|error:/)])
  })

  it('give every secret that the configuration names to Postern, and to nobody else', () => {
    const volumes: Tree[] = podOf(objects)['volumes']
    const mounted = containerOf(objects, 'postern')['volumeMounts'].flatMap((mount: Tree) => {
      const secret = volumes.find((volume) => volume['name'] === mount['name'])?.['secret']
      const paths = secret?.items?.map((item: Tree) => item['path']) ?? (secret && ['tls.crt', 'tls.key']) ?? []
      return paths.map((path: string) => `${mount['mountPath']}/${path}`)
    })
    const named = [...posternYaml.matchAll(/\$\{file:([^}]+)\}/g)].map(([, path]) => path)
    expect(named.sort()).toEqual(mounted.sort())
    expect(containerOf(objects, 'portal')['volumeMounts']).toBeUndefined()
    expect(JSON.stringify(containerOf(objects, 'portal'))).not.toContain('secret')
  })

  it("bring traffic to Postern's port only", () => {
    const service = find(objects, 'Service')['spec']
    const targets = service.ports.map((entry: Tree) => entry['targetPort'])
    expect(targets).toEqual(['http'])
    expect(service.selector).toEqual(find(objects, 'Deployment')['spec'].template.metadata.labels)
    const named = podOf(objects)['containers'].flatMap((container: Tree) =>
      (container['ports'] ?? []).filter((port: Tree) => port['name'] === 'http').map(() => container['name']),
    )
    expect(named).toEqual(['postern'])
  })

  it('admit nobody to the port of the portal, which listens on loopback', async () => {
    const { config } = await loadConfig(embedded(), { withoutSecrets: true })
    const upstream = new URL(config.portals[0]!.upstream)
    expect(upstream.hostname).toBe('127.0.0.1')
    expect(JSON.stringify(containerOf(objects, 'portal')['env'])).toContain(`127.0.0.1:${upstream.port}`)
    expect(admittedPorts(objects)).toEqual([config.server.listen.port, config.server.health.port])
    const policy = find(objects, 'NetworkPolicy')['spec']
    expect(policy.policyTypes).toContain('Ingress')
    expect(policy.podSelector.matchLabels).toEqual(find(objects, 'Deployment')['spec'].template.metadata.labels)
    for (const rule of policy.ingress) expect(rule.from.length).toBeGreaterThan(0)
  })

  it('run every container without privileges, on a read-only root', () => {
    const pod = podOf(objects)
    expect(pod['securityContext']).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    expect(pod['automountServiceAccountToken']).toBe(false)
    for (const { securityContext, resources } of pod['containers']) {
      expect(securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
      expect(securityContext.runAsUser).toBeGreaterThan(0)
      expect(resources.limits.memory).toBeDefined()
    }
  })

  it('probe the health port, and the portal through it', async () => {
    const { config } = await loadConfig(embedded(), { withoutSecrets: true })
    const postern = containerOf(objects, 'postern')
    const { port } = config.server.health
    expect(postern['ports'].find((entry: Tree) => entry['name'] === 'health').containerPort).toBe(port)
    expect(postern['livenessProbe'].httpGet).toEqual({ path: '/healthz', port: 'health' })
    // /readyz would take all replicas away at once where the one Redis is gone
    const ready = variant === 'replicas' ? '/healthz' : '/readyz'
    expect(postern['readinessProbe'].httpGet).toEqual({ path: ready, port: 'health' })
    const path = `/readyz/${config.portals[0]!.name}`
    expect(containerOf(objects, 'portal')['readinessProbe'].httpGet).toEqual({ path, port })
  })

  it('leave time to drain: the portal outlives Postern, and the pod outlives both', async () => {
    const { config } = await loadConfig(embedded(), { withoutSecrets: true })
    const drained = (config.server.timeouts.drainDelay + config.server.timeouts.drain) / 1000
    const portalStays = containerOf(objects, 'portal')['lifecycle'].preStop.sleep.seconds
    expect(portalStays).toBeGreaterThan(drained)
    expect(podOf(objects)['terminationGracePeriodSeconds']).toBeGreaterThan(portalStays)
  })
})

it('no manifest holds a key that the Kubernetes types do not know', () => {
  const typed = (object: Tree) => `(${JSON.stringify(object)}) satisfies ${object['kind']}\n`
  const source = variants.flatMap((variant) => render(folderOf(variant)).map(typed))
  const misspelt = structuredClone(render(folderOf('sidecar')))
  containerOf(misspelt, 'postern')['securityContext'].readOnlyRootFileSystem = true
  const imports = Object.entries(modules).map(
    ([kind, path]) => `import type { I${kind} as ${kind} } from 'kubernetes-models/${path}'\n`,
  )
  // An error that does not come is an error too: the compiler must see the misspelt one.
  const proof = `// @ts-expect-error\n${typed(find(misspelt, 'Deployment'))}`
  writeFileSync(join(scratch, 'manifests.ts'), [...imports, ...source, proof].join(''))
  writeFileSync(join(scratch, 'package.json'), '{"type":"module"}')
  symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'))
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--types', '', 'manifests.ts']
  const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), options, { cwd: scratch, encoding: 'utf8' })
  expect([status, stdout]).toEqual([0, ''])
})

it('behind WebSEAL the same addresses are trusted, let through the load balancer and admitted by the network', async () => {
  const objects = render(folderOf('behind-webseal'))
  const { trustedSourceIps } = parse(find(objects, 'ConfigMap')['data']['postern.yaml']).providers[0]
  const service = find(objects, 'Service')['spec']
  const [people] = find(objects, 'NetworkPolicy')['spec'].ingress
  expect(trustedSourceIps.length).toBeGreaterThan(0)
  expect(service).toMatchObject({ externalTrafficPolicy: 'Local', loadBalancerSourceRanges: trustedSourceIps })
  expect(people.from).toEqual(trustedSourceIps.map((cidr: string) => ({ ipBlock: { cidr } })))
})

const kubectl = spawnSync('kubectl', ['version', '--client']).status === 0
if (!kubectl) console.warn('kubectl is NOT on this machine: that kustomize renders the same objects is NOT checked in this run.')

it.runIf(kubectl).each(variants)('kubectl kustomize renders %s to the same objects', (variant) => {
  const unordered = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(unordered).sort((one, other) => JSON.stringify(one).localeCompare(JSON.stringify(other)))
      : value && typeof value === 'object'
        ? Object.fromEntries(
            Object.entries(value)
              .sort()
              .map(([key, inner]) => [key, unordered(inner)]),
          )
        : value
  const output = execFileSync('kubectl', ['kustomize', folderOf(variant)], { encoding: 'utf8' })
  const theirs = output.split(/^---$/m).map((text) => parse(text))
  expect(unordered(render(folderOf(variant)))).toEqual(unordered(theirs))
})

it('no manifest brings a secret of its own', () => {
  const secrets = variants.flatMap((variant) => render(folderOf(variant))).filter((object) => object['kind'] === 'Secret')
  expect(secrets).toEqual([])
  for (const variant of variants)
    expect(readFileSync(join(folderOf(variant), 'postern.yaml'), 'utf8')).not.toMatch(/(secret|keys): *[\w"']/i)
})
