import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRequest, fieldsOf, formatBytes, NO_FIELDS, safeHref, typeName, updateRequest } from '../src/app/state/source-fields.ts';

const source = {
  id: 'cs', title: 'A paper', fileUrl: 'https://a.example/p.pdf', fileKey: 'key', fileSize: 7, mimeType: 'application/pdf',
  vaultId: 'cv', createdAt: '2026-02-15T10:00:00.000Z', updatedAt: '2026-02-15T10:00:00.000Z',
};

test('empty optional fields are not sent', () => {
  assert.deepEqual(createRequest({ ...NO_FIELDS, title: 'A', fileUrl: ' https://a.example ' }), { title: 'A', fileUrl: 'https://a.example' });
});

test('a size that is not a number is sent as one that the service refuses', () => {
  for (const fileSize of ['many', '1.5', '1e3', '-3']) assert.equal(createRequest({ ...NO_FIELDS, fileSize }).fileSize, -1);
  assert.equal(createRequest({ ...NO_FIELDS, fileSize: ' 12 ' }).fileSize, 12);
});

test('only changed fields are sent, and an emptied one is cleared', () => {
  const fields = fieldsOf(source);
  assert.equal(updateRequest(source, fields), undefined);
  assert.deepEqual(updateRequest(source, { ...fields, title: 'B' }), { title: 'B' });
  assert.deepEqual(updateRequest(source, { ...fields, fileKey: '', fileSize: ' ' }), { fileKey: null, fileSize: null });
});

test('only http and https become links', () => {
  assert.equal(safeHref('https://a.example/p.pdf'), 'https://a.example/p.pdf');
  for (const url of ['javascript:alert(1)', ' javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'p.pdf', '']) assert.equal(safeHref(url), undefined, url);
});

test('sizes and types are short', () => {
  assert.deepEqual([0, 999, 1000, 1_234_567, 25_000_000, 999_960].map(formatBytes), ['0 B', '999 B', '1.0 kB', '1.2 MB', '25 MB', '1.0 MB']);
  assert.deepEqual(['application/pdf; charset=binary', 'image/png', 'application/x-tar', 'TEXT/HTML'].map(typeName), ['PDF', 'PNG', 'x-tar', 'HTML']);
});
