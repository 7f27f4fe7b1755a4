// Bundles src/main.ts and what it needs at run time into one file that runs without node_modules.
//   node deploy/bundle.ts [OUTPUT]      default: dist/postern.js
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

// Bundled CommonJS packages still say require('node:…'), which a module has not got.
const banner = `import { createRequire as createRequireOfBundle } from 'node:module'
const require = createRequireOfBundle(import.meta.url)`

export interface Bundled {
  readonly bytes: number
  /** Names of the npm packages that are inside. */
  readonly packages: readonly string[]
}

const packageOf = (input: string): string | undefined => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]

/** Writes one ES module for Node 24 and later. Not minified: a stack trace in an operator's log names our own functions. */
export async function bundle(outfile: string, entry: string = at('src/main.ts')): Promise<Bundled> {
  const { metafile } = await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minify: false,
    legalComments: 'inline',
    banner: { js: banner },
    metafile: true,
    logLevel: 'warning',
  })
  const [output] = Object.values(metafile.outputs)
  const packages = new Set(Object.keys(output?.inputs ?? {}).flatMap((input) => packageOf(input) ?? []))
  return { bytes: output?.bytes ?? 0, packages: [...packages].sort() }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const outfile = resolve(process.argv[2] ?? at('dist/postern.js'))
  const { bytes, packages } = await bundle(outfile)
  console.log(`${outfile}  ${(bytes / 1e6).toFixed(1)} MB, with ${packages.join(' ')}`)
}
