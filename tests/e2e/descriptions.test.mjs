// The documents are valid OpenAPI 3.1 and AsyncAPI 3, and the service serves them, and a page that shows both, without a session.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import specs from '@asyncapi/specs';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { asyncapi, openapi } from './contract.mjs';
import { TestServer } from './test-server.mjs';

let service;
before(async () => {
  service = await TestServer.start();
});
after(() => service.dispose());

test('the OpenAPI document is valid', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(openapi));
  assert(valid, JSON.stringify(errors));
  assert.match(openapi.openapi, /^3\.1\./);
});

test('the AsyncAPI document is valid', () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  const validate = ajv.compile(specs.schemasWithoutId[asyncapi.asyncapi]);
  assert(validate(asyncapi), ajv.errorsText(validate.errors, { separator: '\n' }));
});

/** Returns every `$ref` below this part of a document. */
function references(part) {
  if (part === null || typeof part !== 'object') return [];
  return Object.entries(part).flatMap(([key, value]) => (key === '$ref' ? [value] : references(value)));
}

for (const [name, document] of Object.entries({ openapi, asyncapi })) {
  test(`${name}.json refers to what it has, and has no schema without use`, () => {
    const targets = new Set(references(document));
    for (const target of targets) {
      const found = target.slice(2).split('/').reduce((part, key) => part?.[key], document);
      assert(found, `${target} does not exist`);
    }
    const unused = Object.keys(document.components.schemas).filter((schema) => !targets.has(`#/components/schemas/${schema}`));
    // Errors that belong to no operation, such as that of an unsupported method.
    assert.deepEqual(unused.filter((schema) => !schema.endsWith('Problem')), []);
  });

  test(`${name}.json is served as it is committed`, async () => {
    const answer = await fetch(`${service.url}/${name}.json`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.deepEqual(await answer.json(), document);
  });
}

test('a client that has the present version of a description receives 304', async () => {
  for (const path of ['/openapi.json', '/asyncapi.json', '/docs']) {
    const first = await fetch(service.url + path);
    assert.equal(first.headers.get('cache-control'), 'no-cache');
    const tag = first.headers.get('etag');
    for (const tags of [tag, `"other", W/${tag}`, '*']) {
      const again = await fetch(service.url + path, { headers: { 'if-none-match': tags } });
      assert.deepEqual([again.status, again.headers.get('etag'), await again.text()], [304, tag, '']);
    }
    const other = await fetch(service.url + path, { headers: { 'if-none-match': '"other"' } });
    assert.equal(other.status, 200);
  }
});

test('the page has every operation, event and schema, and links to nothing that it does not have', async () => {
  const answer = await fetch(`${service.url}/docs`);
  const html = await answer.text();
  const ids = new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
  const operations = Object.values(openapi.paths).flatMap((item) => Object.values(item).map(({ operationId }) => `http-${operationId}`));
  const events = Object.keys(asyncapi.operations).map((id) => `event-${id}`);
  const schemas = [openapi, asyncapi].flatMap(({ components }) => Object.keys(components.schemas)).map((name) => `schema-${name}`);
  for (const id of [...operations, ...events, ...schemas]) assert(ids.has(id), `the page has no ${id}`);
  for (const [, target] of html.matchAll(/ href="#([^"]+)"/g)) assert(ids.has(target), `the page links to ${target}`);
  assert.equal([...html.matchAll(/ id="/g)].length, ids.size, 'an id is used twice');
});

/** Returns the names of all fields of a schema, but for those of schemas that it refers to. */
function fieldNames(schema) {
  const parts = [...(schema.oneOf ?? []), ...(schema.anyOf ?? []), ...(schema.allOf ?? []), ...Object.values(schema.properties ?? {})];
  return [...Object.keys(schema.properties ?? {}), ...parts.flatMap(fieldNames)];
}

test('the page shows every field of every payload, and bounds as they are', async () => {
  const html = await (await fetch(`${service.url}/docs`)).text();
  for (const [name, schema] of Object.entries(asyncapi.components.schemas)) {
    const [, article] = html.split(`id="schema-${name}"`);
    const end = article.indexOf('</article>');
    for (const field of fieldNames(schema)) assert(article.slice(0, end).includes(`<code>${field}</code>`), `${name} has no ${field}`);
  }
  assert.doesNotMatch(html, /at least 0\.0/);
  const [, update] = html.split('id="schema-UpdateSource"');
  assert(update.slice(0, update.indexOf('</article>')).includes('At least one of'));
});

test('the page loads nothing and runs nothing', async () => {
  const answer = await fetch(`${service.url}/docs`);
  const html = await answer.text();
  const [, style] = /<style>([^]*?)<\/style>/.exec(html);
  const digest = createHash('sha256').update(style).digest('base64');
  const policy = answer.headers.get('content-security-policy');
  assert(policy.startsWith(`default-src 'none'; style-src 'sha256-${digest}';`), policy);
  assert.doesNotMatch(html, /<script|<img|<iframe|<style[^>]*>[^<]*url\(|style="|https?:\/\/(?!example\.com)/);
});
