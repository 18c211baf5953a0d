// The descriptions of the service as validators of real traffic. They are strict: a field that the documents do not have is a
// violation. The functions throw. In the handler of a packet that is an uncaught exception, which fails the test that runs.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import addFormats from 'ajv-formats';
import { Ajv2020 } from 'ajv/dist/2020.js';

export const readDocument = (name) => JSON.parse(readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8'));

export const openapi = readDocument('openapi.json');
export const asyncapi = readDocument('asyncapi.json');

/** `PACKET` types of Socket.IO. */
const [CONNECT, , EVENT, ACK, CONNECT_ERROR] = [0, 1, 2, 3, 4];
const METHODS = ['get', 'post', 'patch', 'delete'];

/** Returns a copy of the document whose object schemas accept no other fields. */
function strict(part, isPartOfAll = false) {
  if (Array.isArray(part)) return part.map((item) => strict(item, isPartOfAll));
  if (part === null || typeof part !== 'object') return part;
  const copy = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, strict(value, key === 'allOf')]));
  if (part.type === 'object' && part.properties && !isPartOfAll) copy.additionalProperties = false;
  return copy;
}

const ajv = new Ajv2020({ strict: false, allErrors: true, allowUnionTypes: true });
addFormats.default(ajv);
ajv.addFormat('iri', true);
ajv.addSchema({ $id: 'openapi', ...strict({ paths: openapi.paths, components: openapi.components }) });
ajv.addSchema({ $id: 'asyncapi', ...strict({ components: asyncapi.components }) });

/** Returns what is wrong with a value, or undefined. */
function violation(document, pointer, value) {
  const validate = ajv.getSchema(`${document}#${pointer}`);
  assert(validate, `${document}.json has no ${pointer}`);
  return validate(value) ? undefined : `${ajv.errorsText(validate.errors)}: ${JSON.stringify(value)}`;
}

const messageViolation = (name, value) => violation('asyncapi', `/components/schemas/${name}`, value);

/** The messages that the service sends as events, by the name of the event. */
const sent = new Map(
  Object.values(asyncapi.operations).filter(({ action }) => action === 'send').map(({ messages, title }) => [title, nameOf(messages[0])]),
);
/** The names of the events that the service sends. */
export const EVENT_NAMES = [...sent.keys()];
/** The acknowledgements of an event of the client, by its name. */
const acknowledgements = new Map(
  Object.values(asyncapi.operations).filter(({ reply }) => reply).map(({ title, reply }) => [title, reply.messages.map(nameOf)]),
);
const anyAcknowledgement = [...new Set([...acknowledgements].filter(([title]) => title !== 'CONNECT').flatMap(([, names]) => names))];

function nameOf({ $ref }) {
  return $ref.split('/').at(-1);
}

function eventViolation([event, payload, ...rest]) {
  const message = sent.get(event);
  if (!message) return `${event} is not described`;
  const offsets = asyncapi.components.messages[message]['x-arguments'] ? 1 : 0;
  if (rest.length > offsets) return `${event} has ${rest.length + 1} arguments`;
  return messageViolation(message, payload) ?? (rest.length ? messageViolation('RecoveryOffset', rest[0]) : undefined);
}

function acknowledgementViolation(names, args) {
  if (args.length !== 1) return `an acknowledgement has ${args.length} arguments`;
  const found = names.map((name) => messageViolation(name, args[0]));
  return found.includes(undefined) ? undefined : found.join(' or ');
}

function reject(found) {
  if (found) throw new assert.AssertionError({ message: `the descriptions do not allow this: ${found}` });
}

/** Checks an event that a client received: its name and its arguments. */
export function checkEvent(args) {
  reject(eventViolation(args));
}

/** Checks a packet that an official client received. */
export function checkPacket({ type, data }) {
  if (type === CONNECT) reject(messageViolation('Connected', data));
  else if (type === CONNECT_ERROR) reject(messageViolation('ConnectError', data));
  else if (type === EVENT) checkEvent(data);
  // An emitter with a timeout has already put its absent error before the arguments.
  else if (type === ACK) reject(acknowledgementViolation(anyAcknowledgement, data.filter((argument) => argument !== null)));
}

/** Checks a packet that a client of Socket.IO 2 received: its events have no offset, and its refusal is the error itself. */
export function checkVersion3Packet({ type, data }) {
  if (type === CONNECT) reject(data === undefined ? undefined : 'a CONNECT of version 3 has a payload');
  else if (type === CONNECT_ERROR) reject(messageViolation('Problem', data));
  else if (type === EVENT) reject(data.length === 2 ? eventViolation(data) : `${data[0]} has ${data.length - 1} arguments`);
  else if (type === ACK) reject(acknowledgementViolation(anyAcknowledgement, data));
}

/** Checks the acknowledgement of an event of a client. An unknown event can only fail. */
export function checkAcknowledgement(event, ack) {
  reject(acknowledgementViolation(acknowledgements.get(event) ?? ['ErrorAck'], [ack]));
}

const routes = Object.entries(openapi.paths).map(([template, item]) => ({
  template,
  item,
  pattern: new RegExp(`^${template.replaceAll('.', '\\.').replaceAll(/\{[^}]+\}/g, '[^/]+')}$`),
}));

/** Checks a response of the service. Those of Engine.IO are its protocol's. */
export function checkResponse(method, path, { status, headers, body, text }) {
  if (path.startsWith('/socket.io/')) return;
  const route = routes.find(({ pattern }) => pattern.test(path.split('?')[0]));
  const operation = route?.item[method.toLowerCase()];
  const name = `${method} ${path} ${status}`;
  if (!operation) {
    if (METHODS.includes(method.toLowerCase())) reject(messageOf(name, violation('openapi', '/components/schemas/Problem', body)));
    return;
  }
  const response = operation.responses[status];
  if (!response) reject(`${name} is not described: ${text}`);
  const pointer = ['', 'paths', route.template, method.toLowerCase(), 'responses', status, 'content', 'application/json', 'schema'];
  const escaped = pointer.map((part) => encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))).join('/');
  if (response.content?.['application/json']) reject(messageOf(name, violation('openapi', escaped, body)));
  else if (!response.content) reject(text === '' ? undefined : `${name} has a body`);
  for (const header of Object.keys(response.headers)) {
    if (!headers.has(header)) reject(`${name} has no ${header}`);
  }
}

const messageOf = (name, found) => found && `${name}: ${found}`;
