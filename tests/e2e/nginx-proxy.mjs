// A real nginx with the shipped configuration, deploy/nginx.conf, and the settings of docs/operations/proxies.md. Only ports,
// certificate, paths and a timeout are replaced, so that the tests cover the shipped files. nginx runs in its own directory and terminates TLS with a generated certificate.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { Agent, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { ManagedProcess } from './managed-process.mjs';
import { freePort } from './test-server.mjs';
import { DEFAULT_TIMEOUT } from './observable.mjs';

const SHIPPED = fileURLToPath(new URL('../../deploy/nginx.conf', import.meta.url));
const PAGE = fileURLToPath(new URL('../../docs/operations/proxies.md', import.meta.url));

/** Debian installs nginx in a directory that is not in every user's PATH. */
const PATH = `${process.env.PATH}:/usr/sbin`;

/** How long old workers may keep their connections after a reload. */
const WORKER_SHUTDOWN_TIMEOUT = '500ms';

/** Returns the lines of the configuration that the page replaces for a prefix of the routes: before and after. */
async function locationOfPrefix(basePath) {
  const [, after, before] = (await readFile(PAGE, 'utf8')).match(/`(location \/v1\/ {)` instead of `(location [^`]*{)`/);
  return [before, after.replace('/v1/', `${basePath}/`)];
}

export class NginxProxy {
  #process;

  /**
   * Starts nginx in front of these services and of an application on this port. With `caches`, nginx keeps every answer that it
   * may keep, also one with a cookie, and sends it to every client that requests the same URL. With `compresses`, nginx compresses
   * every answer of a client that accepts it. With `basePath`, the routes below it go to the services, as docs/operations/proxies.md
   * says.
   */
  static async start(services, applicationPort, { caches = false, compresses = false, basePath } = {}) {
    const nginx = new NginxProxy();
    nginx.caches = caches;
    nginx.compresses = compresses;
    nginx.basePath = basePath;
    nginx.directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-nginx-'));
    [nginx.port, nginx.httpPort] = [await freePort(), await freePort()];
    nginx.url = `https://127.0.0.1:${nginx.port}`;
    await nginx.#configure(services, applicationPort ?? (await freePort()));
    await nginx.#start();
    return nginx;
  }

  #path(name) {
    return path.join(this.directory, name);
  }

  async #configure(services, applicationPort) {
    const [cert, key, log] = [this.#path('cert.pem'), this.#path('key.pem'), this.#path('access.log')];
    const names = 'subjectAltName=IP:127.0.0.1,DNS:app.example.com';
    const options = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    execFileSync('openssl', [...options, '-subj', '/CN=app.example.com', '-addext', names, '-keyout', key, '-out', cert], { stdio: 'pipe' });
    this.ca = await readFile(cert, 'utf8');

    let config = await readFile(SHIPPED, 'utf8');
    const substitute = (from, to) => {
      assert.equal(config.split(from).length, 2, `deploy/nginx.conf must contain ${from} exactly once`);
      config = config.replace(from, to);
    };
    substitute('listen 80;', `listen 127.0.0.1:${this.httpPort};`);
    substitute('listen 443 ssl;', `listen 127.0.0.1:${this.port} ssl;`);
    substitute('/etc/ssl/app.example.com/fullchain.pem', cert);
    substitute('/etc/ssl/app.example.com/privkey.pem', key);
    substitute('/var/log/nginx/vaultcast.log', log);
    substitute('server 127.0.0.1:3000 max_fails=0;', services.map(({ port }) => `server 127.0.0.1:${port} max_fails=0;`).join(' '));
    substitute('http://127.0.0.1:3001', `http://127.0.0.1:${applicationPort}`);
    if (this.basePath) substitute(...(await locationOfPrefix(this.basePath)));
    await writeFile(this.#path('vaultcast.conf'), config);

    const [, mainSettings] = (await readFile(PAGE, 'utf8')).match(/```nginx\n([^]*?)```/);
    const tempPaths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${this.#path(kind)};`);
    const cache = `proxy_cache_path ${this.#path('cache')} keys_zone=answers:1m; proxy_cache answers; proxy_cache_key $request_uri;
      proxy_cache_valid any 10m; proxy_ignore_headers Set-Cookie;`;
    const gzip = 'gzip on; gzip_min_length 0; gzip_types application/json text/plain; gzip_proxied any;';
    // Started by root, the workers would run as a user without access to this directory.
    const user = process.getuid() === 0 ? 'user root;' : '';
    await writeFile(
      this.#path('nginx.conf'),
      `${user} daemon off; pid ${this.#path('pid')}; worker_processes 2;
      ${mainSettings.replace('worker_shutdown_timeout 1m;', `worker_shutdown_timeout ${WORKER_SHUTDOWN_TIMEOUT};`)}
      http { access_log off; ${tempPaths.join(' ')} ${this.caches ? cache : ''} ${this.compresses ? gzip : ''}
        include ${this.#path('vaultcast.conf')}; }`,
    );
  }

  async #start() {
    const args = ['-p', this.directory, '-c', this.#path('nginx.conf'), '-g', 'error_log stderr notice;'];
    this.#process = new ManagedProcess('nginx', args, { env: { PATH } });
    await Promise.race([
      this.#process.waitForOutput(/start worker process \d+/),
      this.#process.waitForExit(DEFAULT_TIMEOUT).then(() => assert.fail(`nginx: ${this.#process.output}`)),
    ]);
  }

  /** Returns the client options for connections through nginx from this local address. */
  clientOptions(address = '127.0.0.1') {
    const agent = new Agent({ ca: this.ca, localAddress: address });
    return { via: this, ca: this.ca, agent };
  }

  /** Sends one request with exactly these headers and resolves with `{ status, headers, text, body }`. */
  request(method, target, { headers = {}, body, from = '127.0.0.1' } = {}) {
    return new Promise((resolve, reject) => {
      const options = { method, headers, ca: this.ca, localAddress: from, timeout: DEFAULT_TIMEOUT };
      const outgoing = httpsRequest(this.url + target, options, async (response) => {
        const bytes = Buffer.concat(await response.toArray());
        const isCompressed = response.headers['content-encoding'] === 'gzip' && bytes.length > 0;
        const text = (isCompressed ? gunzipSync(bytes) : bytes).toString();
        const isJson = text !== '' && response.headers['content-type']?.includes('json');
        resolve({ status: response.statusCode, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined });
      });
      outgoing.on('upgrade', (response, socket) => {
        socket.destroy();
        resolve({ status: response.statusCode, headers: response.headers, text: '' });
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${target} was not answered`)));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  /** Reloads the configuration. New workers take over; old ones exit with their last connection or after a timeout. */
  reload() {
    process.kill(this.#process.pid, 'SIGHUP');
  }

  /** Waits until the access log has a line with this text. nginx writes the line of a request after it has answered it. */
  async waitForAccessLog(text) {
    for (const deadline = Date.now() + DEFAULT_TIMEOUT; !(await readFile(this.#path('access.log'), 'utf8')).includes(text); await pause(20)) {
      assert(Date.now() < deadline, `the access log has no ${text}`);
    }
  }

  /** Returns the matching lines of the access log. */
  async accessLog(pattern) {
    const lines = (await readFile(this.#path('access.log'), 'utf8')).split('\n');
    return lines.filter((line) => pattern.test(line));
  }

  async dispose() {
    try {
      if (!this.#process.exitStatus) await this.#process.stop('SIGTERM');
    } finally {
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}
