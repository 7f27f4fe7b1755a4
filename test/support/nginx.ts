// A real nginx in front of several replicas: round robin, and what it does when one of them is gone.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'

export interface Nginx {
  readonly port: number
  close(): Promise<void>
}

/** Where Debian puts it is not on everybody's path. */
const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`
export const hasNginx = (): boolean => spawnSync('nginx', ['-v'], { env: { PATH: path } }).status === 0

/** @param ports of the replicas, each asked in turn */
export async function startNginx(ports: readonly number[], port?: number): Promise<Nginx> {
  const listening = port ?? (await freePort())
  const folder = mkdtempSync(join(tmpdir(), 'postern-nginx-'))
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, configuration(folder, listening, ports))
  const child = spawn('nginx', ['-c', file, '-p', folder, '-e', join(folder, 'error.log')], {
    env: { PATH: path },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => (said += chunk))
  const ended = once(child, 'exit')
  while (!(await answers(listening))) {
    if (child.exitCode !== null) throw new Error(`nginx did not start: ${said}`)
    await new Promise((next) => setImmediate(next))
  }
  return {
    port: listening,
    close: async () => {
      child.kill('SIGQUIT')
      child.kill('SIGTERM')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = createConnection({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** As an ingress does it: the next replica where one cannot be reached, and no POST sent twice. */
const configuration = (folder: string, port: number, ports: readonly number[]): string => `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream postern {
    ${ports.map((replica) => `server 127.0.0.1:${replica} max_fails=1 fail_timeout=1s;`).join('\n    ')}
    keepalive 64;
  }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / {
      proxy_pass http://postern;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_next_upstream error timeout;
      proxy_connect_timeout 2s;
      proxy_buffering off;
    }
  }
}
`
