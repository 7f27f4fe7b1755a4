// A real Chromium: the machine's own, or else the one that an npm package brings along with the libraries it needs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-domain-reliability',
  '--disable-sync',
  '--host-resolver-rules=MAP *.localhost 127.0.0.1, MAP localhost 127.0.0.1, EXCLUDE 127.0.0.1, MAP * ~NOTFOUND',
]

/**
 * Starts a headless browser that reaches loopback and nothing else: every other name does not resolve.
 * Takes env CHROMIUM_PATH, else /usr/bin/chromium, else the packaged one. The caller closes it.
 */
export async function launchBrowser(): Promise<Browser> {
  const own = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
  if (existsSync(own)) return chromium.launch({ executablePath: own, args: flags })
  return launchPackagedBrowser()
}

/** Starts the packaged browser, wherever another one may be installed. */
export async function launchPackagedBrowser(): Promise<Browser> {
  const place = await unpack()
  const libraries = [join(place, 'al2023', 'lib'), process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':')
  const env = { ...process.env, LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: join(place, 'fonts.conf') }
  return chromium.launch({ executablePath: join(place, 'chromium'), args: [...flags, '--no-zygote'], env })
}

/** Unpacks beside the place and moves there as a whole: test files run in several processes. */
async function unpack(): Promise<string> {
  const root = dirname(dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium')))
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const place = join(tmpdir(), `postern-test-chromium-${version}-${userInfo().uid}`)
  if (existsSync(place)) return place
  const draft = await mkdtemp(`${place}-`)
  const script = `
    const { default: chromium, inflate } = await import('@sparticuz/chromium')
    await chromium.executablePath()
    await inflate(${JSON.stringify(join(root, 'bin', 'al2023.tar.br'))})`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
    env: { ...process.env, TMPDIR: draft },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`the packaged Chromium could not be unpacked (exit ${code})`)
  await writeFile(join(draft, 'fonts.conf'), fontsConfig(place))
  await rename(draft, place).catch(async (error) => {
    await rm(draft, { recursive: true, force: true })
    if (!existsSync(place)) throw error
  })
  return place
}

/** The machine's fonts where it has any, and the one family of the package: its own file names a place it is not in. */
const fontsConfig = (place: string): string => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>${join(place, 'fonts', 'fonts')}</dir>
  <cachedir>${join(place, 'font-cache')}</cachedir>
</fontconfig>
`
