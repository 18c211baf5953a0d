// The configuration of nginx for this example: deploy/nginx.conf with ports, paths and names of this machine.

import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

const SHIPPED = new URL('../../../deploy/nginx.conf', import.meta.url);

/** The prefix of vaultcast's HTTP routes, `server.base_path`. The application's own routes keep their paths. */
export const BASE_PATH = '/v1';

/**
 * Writes the configuration into `directory` and returns its path. nginx listens on `ports.proxy` of the loopback address, with TLS
 * and a certificate of its own if `isSecure`.
 */
export async function configureNginx(directory, ports, isSecure) {
  const file = (name) => path.join(directory, name);
  let config = await readFile(SHIPPED, 'utf8');
  const replace = (from, to) => {
    if (!config.includes(from)) throw new Error(`deploy/nginx.conf does not contain ${from}`);
    config = config.replaceAll(from, to);
  };
  // The redirect from http to https.
  replace(config.match(/server {\n {4}listen 80;[^}]*}\n/)[0], '');
  replace('listen 443 ssl;', `listen 127.0.0.1:${ports.proxy}${isSecure ? ' ssl' : ''};`);
  replace('/var/log/nginx/vaultcast.log', file('access.log'));
  replace('server 127.0.0.1:3000 max_fails=0;', `server 127.0.0.1:${ports.vaultcast} max_fails=0;`);
  replace('http://127.0.0.1:3001', `http://127.0.0.1:${ports.next}`);
  replace('location ~ ^/api/(me|vaults|sources)(/|$) {', `location ${BASE_PATH}/ {`);
  if (isSecure) {
    createCertificate(file('key.pem'), file('certificate.pem'));
    replace('/etc/ssl/app.example.com/fullchain.pem', file('certificate.pem'));
    replace('/etc/ssl/app.example.com/privkey.pem', file('key.pem'));
  } else {
    config = config.replace(/^ {4}ssl_.*\n/gm, '');
  }
  await writeFile(file('vaultcast.conf'), config);

  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${file(kind)};`);
  // Started by root, the workers would run as a user without access to this directory.
  const user = process.getuid() === 0 ? 'user root;' : '';
  await writeFile(
    file('nginx.conf'),
    `${user} daemon off; pid ${file('nginx.pid')}; error_log stderr warn;
    events { worker_connections 1024; }
    http { access_log off; ${temporary.join(' ')} include ${file('vaultcast.conf')}; }\n`,
  );
  return file('nginx.conf');
}

function createCertificate(key, certificate) {
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const options = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'];
  execFileSync('openssl', [...options, ...names, '-keyout', key, '-out', certificate], { stdio: 'pipe' });
}
