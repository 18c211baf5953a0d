// JSON that JavaScript writes and strict parsers refuse: half of an emoji, as `slice` leaves it, and deep nesting. It must not end a
// connection, in whatever field it stands.

import assert from 'node:assert/strict';
import { PAPER, testEachTransport } from './test-context.mjs';

const HALF_EMOJI = 'x😀'.slice(0, 2);
const READ_AS = 'x\ufffd';

/** Returns an array inside of 149 others. */
function nestedArrays() {
  let value = [];
  for (let level = 1; level < 150; level += 1) value = [value];
  return value;
}

testEachTransport('half of an emoji and deep nesting are read in each field of each event', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const vault = await newVault(ana);
  const client = await connectClient(ana, { auth: { token: ana.token(), [HALF_EMOJI]: HALF_EMOJI, nested: nestedArrays() } });
  for (const ignored of [HALF_EMOJI, { [HALF_EMOJI]: 1 }, nestedArrays()]) {
    const joined = await client.emitOk('vault:join', { vaultId: vault.id, ignored });
    assert.equal(joined.vaultId, vault.id);
    const { source } = await client.emitOk('source:created', { vaultId: vault.id, ignored, source: { ...PAPER, title: HALF_EMOJI, ignored } }, ignored);
    assert.equal(source.title, READ_AS);
    const updated = await client.emitOk('source:updated', { source: { id: source.id, title: `${HALF_EMOJI}!`, ignored } });
    assert.equal(updated.source.title, `${READ_AS}!`);
    await client.emitOk('source:deleted', { sourceId: source.id, ignored });
    await client.emitOk('vault:leave', { vaultId: vault.id, ignored });
  }
  await client.expectError('source:created', { vaultId: vault.id, source: { ...PAPER, title: nestedArrays() } }, 'VALIDATION_FAILED');
  await client.expectError('vault:join', HALF_EMOJI, 'INVALID_VAULT_ID');
  assert(!client.log.some(({ event }) => event === 'disconnect'), String(client));
});

testEachTransport('a token with half of an emoji is refused like any other', async ({ openClient }) => {
  const client = openClient({ auth: { token: HALF_EMOJI } });
  assert.equal(await client.nextEvent('connect_error'), 'UNAUTHORIZED');
});

testEachTransport('with the option `retries`, the event behind half of an emoji is sent', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const vault = await newVault(ana);
  const client = await connectClient(ana, { retries: 3, ackTimeout: 20_000 });
  const create = (title) =>
    new Promise((resolve, reject) => {
      const payload = { vaultId: vault.id, source: { ...PAPER, title } };
      client.socket.emit('source:created', payload, (error, ack) => (error ? reject(error) : resolve(ack)));
    });
  const [first, second] = await Promise.all([create(HALF_EMOJI), create('behind it')]);
  assert.deepEqual([first.source.title, second.source.title], [READ_AS, 'behind it']);
  assert.equal(second.seq, first.seq + 1);
});
