import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, parseAddress, transportsOf, vaultRoute } from '../src/app/state/route.ts';

test('addresses are read and written', () => {
  assert.deepEqual(parseAddress('/', ''), { view: 'app', route: { page: 'vaults' } });
  for (const address of ['/', '/test/realtime?vaultId=cabcdefgh', '/demo/split?left=owner&right=viewer&vaultId=cabcdefgh']) {
    const { pathname, search } = new URL(address, 'http://page');
    assert.equal(formatAddress(parseAddress(pathname, search), ''), address);
  }
});

test('addresses have the prefix of the service', () => {
  assert.deepEqual(parseAddress('/v1/test/realtime', '?vaultId=cabcdefgh', undefined, '/v1'), { view: 'app', route: vaultRoute('cabcdefgh') });
  for (const address of ['/v1/', '/v1/test/realtime?vaultId=cabcdefgh', '/v1/demo/split?left=owner&right=viewer&vaultId=cabcdefgh']) {
    const { pathname, search } = new URL(address, 'http://page');
    assert.equal(formatAddress(parseAddress(pathname, search, undefined, '/v1'), '', '/v1'), address);
  }
});

test('a missing vault id is a vault that does not exist', () => {
  assert.deepEqual(parseAddress('/test/realtime', ''), { view: 'app', route: vaultRoute('') });
});

test('the split view opens the demo vault with two users', () => {
  assert.deepEqual(parseAddress('/demo/split', '', 'cdemo'), { view: 'split', left: 'owner', right: 'contributor', route: vaultRoute('cdemo') });
});

test('the transports of the address are kept', () => {
  const search = '?transports=polling';
  assert.equal(formatAddress({ view: 'app', route: vaultRoute('cabcdefgh') }, search), '/test/realtime?vaultId=cabcdefgh&transports=polling');
  assert.deepEqual(transportsOf('?transports=polling,websocket'), ['polling', 'websocket']);
  assert.equal(transportsOf('?transports=pigeon'), undefined);
  assert.equal(transportsOf(''), undefined);
});
