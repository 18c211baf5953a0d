// The tables of docs/api.md are equal to docs/openapi.json and docs/asyncapi.json.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { asyncapi, openapi } from './contract.mjs';

const page = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8');
const { schemas, parameters, headers } = openapi.components;
const METHODS = ['get', 'post', 'patch', 'delete'];

/** Returns the rows of the first table after a text, as arrays of cells. */
function table(after) {
  assert(page.includes(after), `docs/api.md has no "${after}"`);
  const [, ...lines] = page.slice(page.indexOf(after)).match(/(?:^\|.*\n)+/m)[0].trim().split('\n');
  return lines.slice(1).map((line) => line.slice(1, -1).split(/(?<!\\)\|/).map((cell) => cell.trim()));
}

const codes = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
const nameOf = ({ $ref }) => $ref.split('/').at(-1);
const parameterOf = (part) => (part.$ref ? parameters[nameOf(part)] : part);

const operations = Object.entries(openapi.paths).flatMap(([path, item]) =>
  METHODS.filter((method) => item[method]).map((method) => ({ route: `${method.toUpperCase()} ${path}`, ...item[method] })),
);

test('the routes, their query parameters, users and statuses are those of the OpenAPI document', () => {
  const described = operations.map(({ route, parameters = [], description, responses }) => ({
    route,
    query: parameters.map(parameterOf).filter((parameter) => parameter.in === 'query').map(({ name }) => name).sort(),
    allowed: /Allowed for: (.*)\.$/.exec(description)[1],
    status: Object.keys(responses).find((status) => status.startsWith('2')),
  }));
  const documented = table('## HTTP routes').map(([route, allowed, answer]) => {
    const [path, query = ''] = codes(route)[0].split('?');
    return { route: path, query: query.split('&').filter(Boolean).sort(), allowed, status: /^\d{3}/.exec(answer)?.[0] ?? '200' };
  });
  const sorted = (rows) => rows.toSorted((a, b) => (a.route < b.route ? -1 : 1));
  assert.deepEqual(sorted(documented), sorted(described));
});

test('the fields of objects are those of the schemas', () => {
  const event = schemas.JournalEvent.oneOf[0];
  const objects = { vault: schemas.Vault, member: schemas.Member, source: schemas.Source, event };
  for (const [object, cell] of table('## Objects')) {
    const fields = new Set(codes(cell).filter((field) => field !== 'null'));
    assert.deepEqual([...fields].sort(), Object.keys(objects[object].properties).sort(), object);
  }
});

test('the bounds are those of the schemas', () => {
  const rows = Object.fromEntries(table('| field | accepted values |').map(([field, bounds]) => [codes(field)[0], bounds]));
  const { title, fileUrl, fileKey, fileSize, mimeType } = schemas.CreateSource.properties;
  const email = schemas.AddMember.oneOf[1].properties.email;
  const limit = parameters.Limit.schema;
  const [, part] = /\{0,(\d+)\}/.exec(mimeType.pattern);
  const bounds = {
    name: `1 to ${schemas.CreateVault.properties.name.maxLength} characters`,
    title: `1 to ${title.maxLength} characters`,
    fileUrl: `at most ${fileUrl.maxLength} characters`,
    fileKey: `at most ${fileKey.maxLength} characters`,
    fileSize: `from 0 to 2^${Math.log2(fileSize.maximum + 1)} - 1`,
    mimeType: `1 to ${Number(part) + 1} characters`,
    userId: `${schemas.UserId.minLength} to ${schemas.UserId.maxLength} visible ASCII characters`,
    email: `at most ${email.maxLength} characters`,
    role: schemas.Role.enum.map((role) => `\`${role}\``).join(', ').replace(/, (?=[^,]*$)/, ' or '),
    limit: `${limit.minimum} to ${limit.maximum}; ${limit.default} when absent`,
    since: `${parameters.Since.schema.minimum} to 2^${Math.log2(parameters.Since.schema.maximum + 1)} - 1`,
  };
  assert.deepEqual(Object.keys(rows).sort(), [...Object.keys(bounds), 'cursor'].sort());
  for (const [field, bound] of Object.entries(bounds)) assert(rows[field].includes(bound), `${field}: ${rows[field]} does not contain ${bound}`);
  const { minLength, maxLength } = parameters.IdempotencyKey.schema;
  assert(page.includes(`${minLength} to ${maxLength} visible ASCII characters, else 400`));
  assert(page.includes(`match \`${schemas.VaultId.pattern}\``));
});

test('the headers are those of the OpenAPI document', () => {
  const documented = table('## Headers').map(([header]) => codes(header)[0].split(':')[0]);
  const described = new Set(operations.flatMap(({ responses, parameters = [] }) => [
    ...Object.values(responses).flatMap((response) => Object.keys(response.headers)),
    ...parameters.map(parameterOf).filter((parameter) => parameter.in === 'header').map(({ name }) => name),
  ]));
  // OpenAPI describes `Content-Type` by the contents of a request, not by a parameter.
  assert.deepEqual(documented.sort(), [...described, 'Content-Type'].sort());
  assert(Object.keys(headers).length > 0);
});

test('the codes and statuses of errors are those of the OpenAPI document', () => {
  const statuses = new Map();
  for (const { responses } of operations) {
    for (const [status, { content }] of Object.entries(responses)) {
      const schema = content?.['application/json']?.schema ?? {};
      for (const problem of (schema.oneOf ?? [schema]).filter(({ $ref }) => $ref?.endsWith('Problem'))) {
        statuses.set(schemas[nameOf(problem)].properties.code.enum[0], status);
      }
    }
  }
  const documented = table('| status | code | meaning |').map(([status, code]) => [codes(code)[0], status]);
  assert.deepEqual(documented.map(([code]) => code).sort(), schemas.ErrorCode.enum.toSorted());
  for (const [code, status] of documented.filter(([code]) => statuses.has(code))) assert.equal(statuses.get(code), status, code);
  const elsewhere = documented.map(([code]) => code).filter((code) => !statuses.has(code));
  assert.deepEqual(elsewhere, ['LIMIT_EXCEEDED']);
});

/** Parses `{a, b?, c: {d}}` to `{ 'a': …, 'b?': …, 'c': { 'd': … } }`. */
function parseFields(text) {
  const json = text.replaceAll(/\s/g, '').replaceAll(/…/g, '').replaceAll(/([\w?]+)(:?)/g, (_, name, colon) => `"${name}":${colon ? '' : '1'}`);
  return JSON.parse(json);
}

/** Returns the fields of a schema in the same form, as deep as `shape` is. */
function fieldsOf(schema, shape) {
  const { properties, required = [] } = schema.$ref ? asyncapi.components.schemas[nameOf(schema)] : schema;
  return Object.fromEntries(Object.entries(properties).map(([name, field]) => {
    const key = required.includes(name) ? name : `${name}?`;
    return [key, typeof shape[key] === 'object' ? fieldsOf(field, shape[key]) : 1];
  }));
}

const events = (action) => Object.values(asyncapi.operations).filter((operation) => operation.action === action && operation.title !== 'CONNECT');

test('the events from the server and their payloads are those of the AsyncAPI document', () => {
  const rows = table('### Events from the server').flatMap(([names, payload]) => codes(names).map((name) => [name, codes(payload)[0]]));
  const described = new Map(events('send').map(({ title, messages }) => [title, asyncapi.components.messages[nameOf(messages[0])].payload]));
  assert.deepEqual(rows.map(([name]) => name).sort(), [...described.keys()].sort());
  for (const [name, payload] of rows) {
    const shape = parseFields(payload);
    assert.deepEqual(shape, fieldsOf(described.get(name), shape), name);
  }
});

test('the events from the client and their acknowledgements are those of the AsyncAPI document', () => {
  const rows = table('### Events from the client');
  const described = new Map(events('receive').map(({ title, reply }) => [title, reply.messages.map(nameOf)]));
  assert.deepEqual(rows.map(([name]) => codes(name)[0]).sort(), [...described.keys()].sort());
  for (const [name, , acknowledgement] of rows) {
    const schema = asyncapi.components.schemas[described.get(codes(name)[0])[0]];
    const documented = parseFields(codes(acknowledgement)[0].replace(/ok: true/, 'ok').replace(', …', ''));
    if (codes(name)[0] === 'vault:join') assert.deepEqual(documented, { ok: 1 });
    else assert.deepEqual(documented, fieldsOf(schema, {}), name);
  }
});
