// `vaultcast tail` against the real service: what it prints, what it outlasts while it follows, and what ends it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { CuttingProxy } from './cutting-proxy.mjs';
import { ManagedProcess } from './managed-process.mjs';
import { httpApi } from './source-api.mjs';
import { PAPER, range } from './test-context.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

const CLOCK_TOLERANCE = 15;
/** In seconds: a follower has to start and to print an event before, even on a busy machine. */
const EXPIRES_IN = 8;

let service, ana, ben, eve;
const tails = [];

before(async () => {
  service = await TestServer.start();
  [ana, ben, eve] = ['ana', 'ben', 'eve'].map((id) => new TestUser(service, id, id, `${id}@example.com`));
});
after(async () => {
  for (const tail of tails) if (!tail.exitStatus) await tail.stop('SIGKILL');
  await service.dispose();
});

async function newVault() {
  const { id } = (await ana.post('/api/vaults', { name: 'Physics' })).expectStatus(201).body;
  (await ana.post(`/api/vaults/${id}/members`, { userId: ben.id, role: 'viewer' })).expectStatus(201);
  return { id };
}

const create = (vault, title = 'A paper') => httpApi(ana).create(vault, { ...PAPER, title });
const tokenOf = (user, claims) => ({ VAULTCAST_TOKEN: user.token(claims) });

async function journal(vault, since = 0) {
  const { body } = (await ana.get(`/api/vaults/${vault.id}/events?since=${since}&limit=500`)).expectStatus(200);
  return body.events;
}

/** Starts `vaultcast tail` as Ben, unless the settings have another token. */
function startTail(vault, args = [], settings = {}) {
  const tail = service.start(['tail', vault.id, ...args], { ...tokenOf(ben), ...settings });
  tails.push(tail);
  return tail;
}

/** Runs `vaultcast tail` to its end and returns its process. */
async function runTail(vault, args, settings) {
  const tail = startTail(vault, args, settings);
  await tail.waitForExit();
  return tail;
}

/** Returns the complete lines that a command has printed on its standard output. */
const lines = ({ stdout }) => stdout.split('\n').slice(0, -1);
const events = (tail) => lines(tail).map((line) => JSON.parse(line));

/** Waits until the command has printed the event with this number. */
function printed(tail, seq) {
  const check = () => events(tail).find((event) => event.seq === seq);
  return tail.waitFor(check, () => `event ${seq} was not printed: ${tail.output}`);
}

/** Waits for the end of a command that ends with status 1 and one message. */
async function endsWith(tail, message) {
  const { code } = await tail.waitForExit();
  assert.equal(code, 1, tail.output);
  assert.match(tail.output, message);
}

test('the journal is printed exactly as the API answers it, in pages, from any event on', async () => {
  const vault = await newVault();
  const { source } = await create(vault);
  await httpApi(ana).update(source, { title: 'A better paper' });
  await httpApi(ana).remove(source);
  (await ana.patch(`/api/vaults/${vault.id}`, { name: 'Chemistry' })).expectStatus(200);
  await Promise.all(range(6, 505).map((seq) => create(vault, `paper ${seq}`)));
  const all = [...(await journal(vault)), ...(await journal(vault, 500))];
  assert.equal(all.length, 505);

  const tail = await runTail(vault, ['--json']);
  assert.deepEqual(tail.exitStatus, { code: 0, signal: null }, tail.output);
  assert.deepEqual(lines(tail), all.map((event) => JSON.stringify(event)));
  assert.equal(tail.output, tail.stdout, 'nothing is printed on the standard error');
  for (const since of [0, 499, 504, 505]) {
    const later = await runTail(vault, ['--json', '--since', `${since}`]);
    assert.deepEqual(events(later), all.slice(since));
  }
});

test('the lines for people name the event, its author and what it is about', async () => {
  const vault = await newVault();
  const { source } = await create(vault);
  await httpApi(ana).remove(source);
  const texts = lines(await runTail(vault)).map((line) => line.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, 'TIME').trim().split(/ {2,}/));
  assert.deepEqual(texts, [
    ['1', 'TIME', 'member:added', 'ana', 'ben as viewer (ben)'],
    ['2', 'TIME', 'source:created', 'ana', source.id, 'A paper'],
    ['3', 'TIME', 'source:deleted', 'ana', source.id],
  ]);
});

test('texts of users cannot control the terminal', async () => {
  const vault = await newVault();
  await create(vault, 'a\u001b[2J\u009b31m\nb\u202ec');
  const { stdout } = await runTail(vault);
  assert(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/.test(stdout), JSON.stringify(stdout));
  assert(lines({ stdout })[1].endsWith('  a\\u{1b}[2J\\u{9b}31m\\u{a}b\\u{202e}c'), stdout);
});

test('a follower prints every event once, across cuts, a kill and restarts of the service', { timeout: 180_000 }, async () => {
  const vault = await newVault();
  await create(vault);
  const proxy = await CuttingProxy.start(service);
  try {
    const tail = startTail(vault, ['--json', '--follow', '--url', proxy.url]);
    await printed(tail, 2);
    await create(vault);
    await printed(tail, 3);

    for (const seq of [4, 5]) {
      proxy.cut();
      assert.equal((await create(vault)).seq, seq);
      proxy.restore();
      await printed(tail, seq);
    }
    // Events are in flight when the service is killed.
    const burst = range(6, 25).map(() => create(vault).catch(() => undefined));
    await printed(tail, 8);
    await service.kill();
    await Promise.all(burst);
    await service.restart();
    await create(vault);
    await service.stop();
    await service.restart();
    const { seq: last } = await create(vault);
    await printed(tail, last);
    assert.deepEqual(events(tail), await journal(vault));
    assert.equal(tail.exitStatus, undefined);

    const status = await tail.stop('SIGINT');
    assert.deepEqual(status, { code: null, signal: 'SIGINT' });
  } finally {
    await proxy.close();
  }
});

// A poll without events ends with a heartbeat. Ten of these take longer than the timeout of the test.
test('a follower does not wait for the end of a poll: it prints an event at once', { timeout: 180_000 }, async () => {
  const vault = await newVault();
  const tail = startTail(vault, ['--json', '--follow']);
  await printed(tail, 1);
  // The first event may still be read from the journal; the others come by the subscription.
  await create(vault);
  await printed(tail, 2);
  for (const seq of range(3, 12)) {
    await create(vault);
    await printed(tail, seq);
  }
  await tail.stop();
});

test('a follower ends when its user is removed, when the vault is deleted, and when its token expires', { timeout: 180_000 }, async () => {
  const vault = await newVault();
  const [removed, remaining] = [startTail(vault, ['--json', '--follow']), startTail(vault, ['--json', '--follow'], tokenOf(ana))];
  const expiring = startTail(vault, ['--json', '--follow'], tokenOf(ana, { ttl: EXPIRES_IN - CLOCK_TOLERANCE }));
  await Promise.all([removed, remaining, expiring].map((tail) => printed(tail, 1)));
  await create(vault);
  await endsWith(expiring, /^vaultcast: the token has expired \(UNAUTHORIZED\) after event 2; `vaultcast token/m);

  (await ana.delete(`/api/vaults/${vault.id}/members/${ben.id}`)).expectStatus(204);
  await endsWith(removed, /^vaultcast: the user of the token was removed .*\(ACCESS_DENIED\)\n/m);
  assert.deepEqual(events(removed).map(({ event }) => event), ['member:added', 'source:created', 'member:removed']);

  const all = await journal(vault);
  (await ana.delete(`/api/vaults/${vault.id}`)).expectStatus(204);
  await endsWith(remaining, new RegExp(`^vaultcast: the vault ${vault.id} was deleted\\n`, 'm'));
  assert.deepEqual(events(remaining).slice(0, -1), all);
  assert.equal(events(remaining).at(-1).event, 'vault:deleted');
});

test('a request that cannot succeed ends with a message', async () => {
  const vault = await newVault();
  const refusals = [
    [[], tokenOf(eve), /not a member of the vault, or the vault does not exist \(ACCESS_DENIED\)/],
    [[], tokenOf(ben, { secret: 'another secret that is long enough to sign with' }), /the token is refused \(UNAUTHORIZED\)/],
    [[], { VAULTCAST_TOKEN: '' }, /no token: set VAULTCAST_TOKEN .*`vaultcast token --user ID`/],
    [[], { VAULTCAST_TOKEN: 'a\u0007b' }, /VAULTCAST_TOKEN \(--token\) must consist of visible ASCII characters/],
    [['--since', '2'], {}, /the vault has no event 2: its last one is 1/],
    [['--follow', '--url', 'http://127.0.0.1:1'], {}, /http:\/\/127\.0\.0\.1:1 \(--url\) does not answer: .*refused/],
    [['--url', `${service.url}/other`], {}, /NOT_FOUND/],
  ];
  for (const [args, settings, message] of refusals) {
    const output = await service.expectRefusal(['tail', vault.id, ...args], { ...tokenOf(ben), ...settings });
    assert.match(output, message);
  }
  for (const args of [['physics'], [vault.id, '--url', 'ftp://host'], [vault.id, '--since', '-1']]) {
    assert.equal((await service.tryRun('tail', ...args)).code, 2);
  }
});

test('an https address needs a certificate that the system or SSL_CERT_FILE trusts', async () => {
  const vault = await newVault();
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(service.directory, name));
  const extensions = ['subjectAltName=IP:127.0.0.1', 'basicConstraints=critical,CA:FALSE'].flatMap((text) => ['-addext', text]);
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=vaults', '-keyout', key, '-out', cert, ...extensions];
  const openssl = new ManagedProcess('openssl', args);
  assert.equal((await openssl.waitForExit()).code, 0, openssl.output);

  const proxy = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    const { method, headers } = request;
    const forwarded = http.request(service.url + request.url, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(forwarded);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    const url = `https://127.0.0.1:${proxy.address().port}`;
    const refusal = await service.expectRefusal(['tail', vault.id, '--url', url], tokenOf(ben));
    assert.match(refusal, /does not answer: .*certificate/i);
    const tail = startTail(vault, ['--json', '--follow', '--url', url], { SSL_CERT_FILE: cert });
    await printed(tail, 1);
    await create(vault);
    await printed(tail, 2);
    await tail.stop();
  } finally {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  }
});

test('a proxy of the environment is used for the scheme that it is for, and not for hosts of no_proxy', async () => {
  const vault = await newVault();
  const forwarded = [];
  const proxy = http.createServer().on('connect', ({ url }, socket) => {
    forwarded.push(url);
    const [host, port] = url.split(':');
    const target = net.connect(Number(port), host, () => socket.write('HTTP/1.1 200 Connected\r\n\r\n'));
    target.pipe(socket).pipe(target);
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    const address = `http://127.0.0.1:${proxy.address().port}`;
    const uses = [
      [{ HTTPS_PROXY: address }, 0],
      [{ http_proxy: address, no_proxy: 'localhost, 127.0.0.1' }, 0],
      [{ HTTP_PROXY: address, https_proxy: 'http://127.0.0.1:1' }, 1],
    ];
    for (const [settings, connections] of uses) {
      const tail = await runTail(vault, ['--json', '--url', service.url], { ...tokenOf(ben), ...settings });
      assert.deepEqual(events(tail), await journal(vault), tail.output);
      assert.equal(forwarded.length, connections, JSON.stringify(settings));
    }
    assert.equal(forwarded[0], new URL(service.url).host);
  } finally {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  }
});

test('a closed pipe ends the command without an error', async () => {
  const vault = await newVault();
  await Promise.all(range(1, 20).map(() => create(vault)));
  const script = '"$0" tail "$1" --follow | head -n 2; echo "status ${PIPESTATUS[0]}"';
  const env = { PATH: process.env.PATH, PORT: `${service.port}`, ...tokenOf(ben) };
  const shell = new ManagedProcess('bash', ['-c', script, service.binary, vault.id], { cwd: service.directory, env });
  await shell.waitForExit();
  assert.match(shell.output, /^ +1 .*\n +2 .*\nstatus 0\n$/);
});

test('a trimmed journal is printed from its first kept event, unless an earlier one was asked for', async () => {
  const trimming = await TestServer.start('serve', { VAULTCAST__JOURNAL__RETAIN_EVENTS: '3' });
  try {
    const cem = new TestUser(trimming, 'cem', 'Cem', 'cem@example.com');
    const { id } = (await cem.post('/api/vaults', { name: 'Long' })).expectStatus(201).body;
    for (const _ of range(1, 8)) await httpApi(cem).create({ id }, PAPER);
    // The service trims the journal when it starts. No event announces the end of the trim, so the test polls for it.
    await trimming.stop();
    await trimming.restart();
    while ((await cem.get(`/api/vaults/${id}/events?since=0`)).status === 200) await pause(20);

    const tail = trimming.start(['tail', id, '--json'], tokenOf(cem));
    assert.deepEqual(await tail.waitForExit(), { code: 0, signal: null });
    assert.deepEqual(events(tail).map(({ seq }) => seq), [6, 7, 8]);
    assert.match(tail.output, /^vaultcast: older events are no longer kept: the journal begins with event 6\n/);
    for (const since of [0, 4]) {
      const refusal = await trimming.expectRefusal(['tail', id, '--since', `${since}`], tokenOf(cem));
      assert.equal(refusal, `vaultcast: the events after ${since} are no longer kept: the journal begins with event 6\n`);
    }
  } finally {
    await trimming.dispose();
  }
});

test('a follower ends when the database was restored from a backup', { timeout: 180_000 }, async () => {
  const vault = await newVault();
  await service.stop();
  await service.database.backUp();
  await service.restart();
  await create(vault);
  const tail = startTail(vault, ['--json', '--follow']);
  await printed(tail, 2);
  await service.stop();
  await service.database.restore();
  await service.run('epoch', 'renew');
  await service.restart();
  await endsWith(tail, /the database was restored from a backup \(its epoch changed\): the events up to 2 /);
});
