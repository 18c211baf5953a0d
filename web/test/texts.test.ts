import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VaultcastError } from 'vaultcast-client';
import { endReason, endText, isVaultId } from '../src/app/state/ended.ts';
import { errorText, formErrors, memberErrorText } from '../src/app/state/errors.ts';
import { describeEvent, sentenceText } from '../src/app/state/sentences.ts';
import { relativeTime } from '../src/app/state/time.ts';
import { journalEvent } from '../src/app/state/timeline.ts';
import { NO_TOASTS, reduceToasts } from '../src/app/state/toasts.ts';

const actor = { userId: 'u1', userName: 'Carl Contributor', role: 'contributor' as const };
const common = { actor, timestamp: '2026-02-15T10:00:00.000Z', seq: 1 };
const member = { userId: 'u2', userName: 'Vera Viewer', role: 'owner' as const };

test('events are sentences with their actor', () => {
  const source = { id: 'cs', title: 'A paper', fileUrl: 'https://a.example/', mimeType: 'application/pdf', vaultId: 'cv', createdAt: common.timestamp };
  const say = (...args: Parameters<typeof describeEvent>) => sentenceText(describeEvent(...args));
  assert.equal(say(journalEvent('source:created', { ...common, source })), 'Carl Contributor added “A paper”');
  const deleted = journalEvent('source:deleted', { ...common, sourceId: 'cs', vaultId: 'cv' });
  assert.equal(say(deleted), 'Carl Contributor deleted a source');
  assert.equal(say(deleted, 'A paper'), 'Carl Contributor deleted “A paper”');
  assert.equal(say(journalEvent('member:updated', { ...common, member, vaultId: 'cv' })), 'Carl Contributor made Vera Viewer an owner');
  assert.equal(say(journalEvent('member:removed', { ...common, member, vaultId: 'cv' })), 'Carl Contributor removed Vera Viewer from the vault');
  assert.equal(say(journalEvent('member:removed', { ...common, member: { ...member, userId: 'u1' }, vaultId: 'cv' })), 'Carl Contributor left the vault');
});

test('errors of fields stay with their fields, and others go to the form', () => {
  const error = new VaultcastError('VALIDATION_FAILED', 'Invalid', {
    details: [{ field: 'title', message: 'must not be empty' }, { field: 'body', message: 'is unknown' }],
  });
  assert.deepEqual(formErrors(error, ['title', 'fileUrl']), { fields: { title: 'Must not be empty.' }, form: 'body is unknown' });
  assert.deepEqual(formErrors(new VaultcastError('LAST_OWNER', 'x'), ['title']).fields, {});
});

test('refusals are in plain words', () => {
  assert.match(errorText(new VaultcastError('LAST_OWNER', 'x')), /at least one owner/);
  assert.equal(errorText(new VaultcastError('CONFLICT', 'the key is used')), 'The key is used.');
  assert.match(memberErrorText(new VaultcastError('NOT_FOUND', 'x')), /No user with this email/);
  assert.match(errorText(new VaultcastError('NETWORK_ERROR', 'x', { outcomeUnknown: true })), /may have been made/);
});

test('a removed member, a stranger and a deleted vault have different texts', () => {
  assert.equal(endText(endReason('ACCESS_DENIED', true), 'Papers').title, 'You are no longer a member of this vault');
  assert.equal(endText(endReason('ACCESS_DENIED', false), '').title, 'You cannot open this vault');
  assert.match(endText(endReason('VAULT_DELETED', true), 'Papers').text, /“Papers”/);
  assert.deepEqual(['cdemovault0000000000000000', '', 'x', 'cABCDEFGH'].map(isVaultId), [true, false, false, false]);
});

test('times are relative to now', () => {
  const now = Date.parse('2026-02-15T12:00:00.000Z');
  const ago = (seconds: number) => relativeTime(new Date(now - seconds * 1000).toISOString(), now);
  assert.deepEqual([-5, 10, 50, 130, 7200, 90_000, 31_536_000 * 2].map(ago), ['just now', 'just now', '1 minute ago', '2 minutes ago', '2 hours ago', 'yesterday', '2 years ago']);
});

test('the oldest notification makes room', () => {
  let toasts = NO_TOASTS;
  for (const text of ['a', 'b', 'c', 'd']) toasts = reduceToasts(toasts, { type: 'show', text, tone: 'neutral' });
  assert.deepEqual(toasts.shown.map(({ text }) => text), ['b', 'c', 'd']);
  const [first] = toasts.shown;
  assert.deepEqual(reduceToasts(toasts, { type: 'dismiss', id: first!.id }).shown.map(({ text }) => text), ['c', 'd']);
});
