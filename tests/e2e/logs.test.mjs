// The log as whoever runs the service reads it: an object on each line for programs, a line for people; what belongs to
// one request or one event is found by its fields; and an outage of an hour is not an hour of lines.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { onPostgres } from './database.mjs';
import { PAPER, range } from './harness.mjs';
import { Listener } from './listener.mjs';
import { Person } from './person.mjs';
import { Postgres } from './postgres.mjs';
import { freePort, Service } from './service.mjs';

const opened = [];
after(async () => {
  for (const one of opened.reverse()) await (one.dispose?.() ?? one.close());
});
const keep = (one) => (opened.push(one), one);

/** What was logged, line by line, each as the object that it is. */
const lines = (service) => service.output.trim().split('\n').map((line) => JSON.parse(line));

const ana = (service) => new Person(service, 'ana', 'Ana', 'ana@example.com');

test('as JSON every line is one object, and what belongs to a request or an event is found by its fields', async () => {
  const service = keep(await Service.start('serve', { RUST_LOG: 'trace', VAULTCAST__TELEMETRY__LOG_FORMAT: 'json' }));
  const person = ana(service);
  const made = (await person.post('/api/vaults', { name: 'Plans' }, { 'x-request-id': 'the-first-1' })).is(201);
  assert.equal(made.headers.get('x-request-id'), 'the-first-1');
  const vault = { id: made.body.id, seq: 0 };
  const listener = keep(new Listener(service.url, { auth: { token: person.token() }, transports: ['websocket'] }));
  await listener.hears('connect');
  const { id } = listener.self;
  await listener.join(vault);
  const { seq } = await listener.socket.emitWithAck('source:created', { vaultId: vault.id, source: PAPER });
  assert.equal(seq, 1);
  await listener.socket.emitWithAck('my own secret words', {});
  listener.close();
  await service.stop();

  const all = lines(service);
  for (const line of all) {
    assert(!Number.isNaN(Date.parse(line.timestamp)), JSON.stringify(line));
    assert.match(line.level, /^(ERROR|WARN|INFO|DEBUG|TRACE)$/);
    for (const field of ['target', 'message']) assert.equal(typeof line[field], 'string', JSON.stringify(line));
  }
  assert(all.some(({ target }) => target.startsWith('actix')), 'lines of libraries have their own targets');
  const [start] = all.filter(({ message }) => message === 'vaultcast serves');
  assert.equal(start.addr, `127.0.0.1:${service.port}`);

  const ours = all.filter(({ target }) => target.startsWith('vaultcast'));
  const first = ours.filter((line) => line['request.id'] === 'the-first-1');
  const answered = first.find(({ message }) => message === 'answered');
  assert.deepEqual([answered.method, answered.path, answered.status, answered['user.id']], ['POST', '/api/vaults', 201, 'ana']);

  const events = ours.filter((line) => line['event.name']);
  const created = events.find((line) => line['event.name'] === 'source:created' && line['event.seq']);
  assert.deepEqual([created['vault.id'], created['event.seq'], created['user.id'], created['socket.id']], [vault.id, 1, 'ana', id]);
  assert(events.some((line) => line['event.name'] === 'unknown'), 'what is no event of ours is not told');
  assert(!service.output.includes('my own secret words'));
  // One socket is found by one word, from its CONNECT to its end.
  const sid = created['session.sid'];
  assert.match(sid, /^[0-9a-f]{8}$/);
  const life = ours.filter((line) => line['session.sid'] === sid).map(({ message }) => message);
  for (const message of ['a socket connected', 'answered', 'a socket left', 'session ends']) assert(life.includes(message), `${message}: ${life}`);
});

test('for people there is a line for each event, and by default only what they want to know', async () => {
  const service = keep(await Service.start('serve', { RUST_LOG: '' }));
  const person = ana(service);
  for (const _ of range(1, 3)) (await person.get('/api/me')).is(200);
  for (const _ of range(1, 5)) (await person.request('GET', '/api/me', undefined, { origin: 'https://elsewhere.example' })).refuses(403, 'ORIGIN_NOT_ALLOWED');
  await service.stop();
  const said = service.output.trim().split('\n').map((line) => line.replace(/^\S+ +/, ''));
  assert.deepEqual(
    said.map((line) => line.match(/^\S+/)[0]),
    said.map(() => 'INFO'),
  );
  assert.equal(said.filter((line) => line.includes('server.allowed_origins')).length, 1, service.output);
  assert.equal(said.length, 5, service.output); // serves, how many sockets, one refusal, SIGTERM, stopped
});

const skip = onPostgres ? false : 'TEST_POSTGRES_URL is not set';
test('an outage under load is told when it begins and when it is over, and no more', { timeout: 120_000, skip }, async () => {
  const postgres = keep(await Postgres.start(await freePort()));
  const service = keep(await Service.start('serve', { DATABASE_URL: postgres.url, RUST_LOG: '' }));
  const person = ana(service).patiently();
  const vaults = [];
  for (const name of range(1, 8)) vaults.push((await person.post('/api/vaults', { name: `${name}` })).is(201).body.id);
  const before = service.output.length;

  const refused = { count: 0 };
  let on = true;
  const busy = async (ask) => {
    while (on) {
      const { status } = await ask();
      if (status === 503) refused.count += 1;
      else assert([200, 201].includes(status), `${status}`);
      await pause(5);
    }
  };
  const stranger = (number) => new Person(service, `stranger-${number}`, 'A stranger', 'stranger@example.com').patiently();
  const streams = vaults.flatMap((id) => [
    busy(() => person.post(`/api/vaults/${id}/sources`, PAPER)),
    busy(() => person.get(`/api/vaults/${id}/sources`)),
  ]);
  let strangers = 0;
  streams.push(busy(() => stranger(++strangers).get('/api/me')), busy(() => person.get('/readyz')));
  await pause(500);
  await postgres.kill();
  while (refused.count < 40) await pause(50);
  await postgres.resume();
  for (const id of vaults) while ((await person.post(`/api/vaults/${id}/sources`, PAPER)).status !== 201) await pause(50);
  while ((await person.get('/readyz')).status !== 200) await pause(50);
  on = false;
  await Promise.all(streams);

  const said = service.output.slice(before).trim().split('\n');
  const of = (words) => said.filter((line) => line.includes(words)).length;
  for (const use of ['written to', 'read']) {
    assert.equal(of(`the database cannot be ${use}`), 1, said.join('\n'));
    assert(of(`the database can be ${use} again`) >= 1, said.join('\n'));
  }
  assert.equal(of('ERROR'), 0, said.join('\n'));
  // Each writing connection that died in a commit says so once.
  assert(said.length <= 12, `${refused.count} were refused, and ${said.length} lines say so:\n${said.join('\n')}`);
});
