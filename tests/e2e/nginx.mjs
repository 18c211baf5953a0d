// A real nginx with the configuration that is shipped, deploy/nginx.conf: only its ports, certificate and paths are
// others, so that what was tried is what is shipped. It runs in a directory of its own, and ends TLS with a certificate
// made for it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program } from './program.mjs';
import { freePort } from './service.mjs';
import { DEADLINE } from './waiting.mjs';

const SHIPPED = fileURLToPath(new URL('../../deploy/nginx.conf', import.meta.url));

/** Debian keeps it where not everybody looks. */
const PATH = `${process.env.PATH}:/usr/sbin`;

/** How long the connections of an nginx that was told to read its configuration again may go on with the old one. */
const RELOADED = '500ms';

export class Nginx {
  #program;

  /** In front of these services, and of an application at this port. */
  static async inFrontOf(services, application) {
    const nginx = new Nginx();
    nginx.directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-nginx-'));
    [nginx.port, nginx.plain] = [await freePort(), await freePort()];
    nginx.url = `https://127.0.0.1:${nginx.port}`;
    await nginx.#configure(services, application ?? (await freePort()));
    await nginx.#start();
    return nginx;
  }

  #at(name) {
    return path.join(this.directory, name);
  }

  async #configure(services, application) {
    const [cert, key, log] = [this.#at('cert.pem'), this.#at('key.pem'), this.#at('access.log')];
    const names = 'subjectAltName=IP:127.0.0.1,DNS:app.example.com';
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    execFileSync('openssl', [...made, '-subj', '/CN=app.example.com', '-addext', names, '-keyout', key, '-out', cert], { stdio: 'pipe' });
    this.ca = await readFile(cert, 'utf8');

    let shipped = await readFile(SHIPPED, 'utf8');
    const substitute = (from, to) => {
      assert.equal(shipped.split(from).length, 2, `deploy/nginx.conf says ${from} once`);
      shipped = shipped.replace(from, to);
    };
    substitute('listen 80;', `listen 127.0.0.1:${this.plain};`);
    substitute('listen 443 ssl;', `listen 127.0.0.1:${this.port} ssl;`);
    substitute('/etc/ssl/app.example.com/fullchain.pem', cert);
    substitute('/etc/ssl/app.example.com/privkey.pem', key);
    substitute('/var/log/nginx/vaultcast.log', log);
    substitute('server 127.0.0.1:3000 max_fails=0;', services.map(({ port }) => `server 127.0.0.1:${port} max_fails=0;`).join(' '));
    substitute('http://127.0.0.1:3001', `http://127.0.0.1:${application}`);
    await writeFile(this.#at('vaultcast.conf'), shipped);

    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${this.#at(kind)};`);
    // As root it would do its work as somebody who may not read this directory.
    const user = process.getuid() === 0 ? 'user root;' : '';
    await writeFile(
      this.#at('nginx.conf'),
      `${user} daemon off; pid ${this.#at('pid')}; worker_processes 2; worker_shutdown_timeout ${RELOADED};
      events { worker_connections 512; }
      http { access_log off; ${temporary.join(' ')} include ${this.#at('vaultcast.conf')}; }`,
    );
  }

  async #start() {
    const args = ['-p', this.directory, '-c', this.#at('nginx.conf'), '-g', 'error_log stderr notice;'];
    this.#program = new Program('nginx', args, { env: { PATH } });
    await Promise.race([
      this.#program.says(/start worker process \d+/),
      this.#program.ended(DEADLINE).then(() => assert.fail(`nginx: ${this.#program.output}`)),
    ]);
  }

  /** What a client from this address of the machine's own needs to come through. */
  options(address = '127.0.0.1') {
    const agent = new Agent({ ca: this.ca, localAddress: address });
    return { via: this, ca: this.ca, agent };
  }

  /** One request, with these headers as they are; `{ status, headers, text, body }`. */
  ask(method, target, { headers = {}, body, from = '127.0.0.1' } = {}) {
    return new Promise((resolve, reject) => {
      const options = { method, headers, ca: this.ca, localAddress: from, timeout: DEADLINE };
      const asked = request(this.url + target, options, async (response) => {
        const text = (await response.setEncoding('utf8').toArray()).join('');
        const isJson = response.headers['content-type']?.includes('json');
        resolve({ status: response.statusCode, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined });
      });
      asked.on('upgrade', (response, socket) => {
        socket.destroy();
        resolve({ status: response.statusCode, headers: response.headers, text: '' });
      });
      asked.on('timeout', () => asked.destroy(new Error(`${method} ${target} was not answered`)));
      asked.on('error', reject);
      asked.end(body);
    });
  }

  /** Reads its configuration again: new workers take over, and the old ones end with their connections, or soon. */
  reload() {
    process.kill(this.#program.pid, 'SIGHUP');
  }

  /** The lines of its access log that fit. */
  async log(pattern) {
    const lines = (await readFile(this.#at('access.log'), 'utf8')).split('\n');
    return lines.filter((line) => pattern.test(line));
  }

  async dispose() {
    try {
      if (!this.#program.end) await this.#program.stop('SIGTERM');
    } finally {
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}
