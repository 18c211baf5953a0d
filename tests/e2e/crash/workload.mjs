// The mutations of a crash run: sent over HTTP and over sockets, with and without an idempotency key, with and without a condition. A
// mutation that can be repeated safely is repeated until it is answered; the outcome of any other unanswered one stays unknown.

import { setTimeout as pause } from 'node:timers/promises';
import { RETRY_DELAY } from '../create-load.mjs';
import { PAPER, range } from '../fixtures.mjs';
import { DEFAULT_TIMEOUT, Observable } from '../observable.mjs';
import { signatureOf } from './history-checker.mjs';

/** The temporary errors that any request may get and may be repeated after. */
const TEMPORARY_ERRORS = ['UNAVAILABLE', 'VAULT_BUSY', 'AUTHENTICATION_FAILED'];

/** The longest pause between two mutations of one writer, in milliseconds. */
const MAX_PAUSE = 30;

/** The target number of sources of one writer. */
const TARGET_SOURCES = 12;

/**
 * Runs writers and records the outcome of each mutation.
 *
 * A request is `{ event, vault, …fields of the mutation }`, and optionally `key` (an idempotency key), `ifMatch` (a condition),
 * `appliedError` (the error that a repeated request gets if the first one was applied), `allowedErrors`, and `mustFail`.
 */
export class Workload extends Observable {
  /** The mutations whose outcome is settled, as the history checker takes them. */
  mutations = [];
  /** `{ id, name }` of each vault that was created. */
  vaults = [];
  /** The answers that the contract does not allow. */
  violations = [];
  counts = { http: 0, sockets: 0, refused: 0, unknown: 0, applied: 0, repeated: 0 };
  #running = true;
  #writers = [];
  #names = 0;

  /** Runs a writer until `stop`, which rejects if the writer failed. */
  start(writer, random) {
    const done = this.#run(writer, random);
    done.catch(() => {});
    this.#writers.push(done);
  }

  async #run(writer, random) {
    while (this.#running) {
      await writer.next(random, this);
      await pause(random.integer(0, MAX_PAUSE));
    }
  }

  async stop() {
    this.#running = false;
    await Promise.all(this.#writers);
  }

  /** Returns a name that is unique in this run. */
  uniqueName(prefix) {
    return `${prefix}-${++this.#names}`;
  }

  /** Sends a mutation, repeats it where that is safe, records its outcome, and returns the outcome and the answer. */
  async mutate(sender, request) {
    const { outcome, answer } = await this.#settle(sender, request);
    this.#count(sender, outcome);
    this.mutations.push({
      vault: request.vault, signature: signatureOf(expectedEvent(request)), actorId: sender.user.id, outcome, seq: answer?.seq, response: answer?.response,
    });
    this.notify();
    return { outcome, ...answer };
  }

  /** Creates a vault with this name. */
  async createVault(sender, name) {
    const { answer } = await this.#settle(sender, { event: 'vault', name, key: name });
    if (answer) this.vaults.push({ id: answer.response.vault.id, name });
  }

  async #settle(sender, request) {
    const isRepeatable = Boolean(request.key || request.appliedError);
    for (let wasUnknown = false; ; await pause(RETRY_DELAY)) {
      const answer = await sender.send(request);
      if (answer.unsent) continue;
      if (answer.seq !== undefined) {
        if (request.mustFail) this.#recordViolation(request, 'acknowledged');
        return { outcome: 'acknowledged', answer };
      }
      const { code, details } = answer.error ?? {};
      const isUnknown = !answer.error || details?.outcome === 'unknown';
      const isTemporary = isUnknown || TEMPORARY_ERRORS.includes(code);
      if (wasUnknown && code !== undefined && code === request.appliedError) return { outcome: 'applied' };
      if (!isTemporary && !request.allowedErrors?.includes(code)) this.#recordViolation(request, `refused with ${JSON.stringify(answer.error)}`);
      if (isUnknown && isRepeatable && !wasUnknown) this.counts.repeated += 1;
      wasUnknown ||= isUnknown;
      if (!isTemporary || !isRepeatable) return { outcome: wasUnknown && !request.mustFail ? 'unknown' : 'refused' };
    }
  }

  #recordViolation(request, result) {
    this.violations.push(`${request.vault}: ${JSON.stringify(request)} was ${result}`);
  }

  #count(sender, outcome) {
    this.counts[outcome === 'acknowledged' ? sender.name : outcome] += 1;
  }

  get acknowledged() {
    return this.counts.http + this.counts.sockets;
  }

  /** Waits until `count` more mutations are acknowledged. */
  waitForMore(count) {
    const target = this.acknowledged + count;
    return this.waitFor(() => (this.acknowledged >= target ? true : undefined), () => `${this.acknowledged} of ${target} mutations acknowledged`, 60_000);
  }

  /** Creates `count` sources at the same time, through random senders in random vaults. */
  burst({ count, senders, vaults, random }) {
    const create = () => {
      const title = this.uniqueName('burst');
      const [sender, vault] = [random.pick(senders), random.pick(vaults)];
      return this.mutate(sender, { event: 'source:created', vault: vault.id, title, key: random.chance(0.5) ? title : undefined });
    };
    return Promise.all(range(1, count).map(create));
  }
}

/** Returns the event that a mutation creates, with the fields that the request determines. */
function expectedEvent({ event, id, title, userId, role, name }) {
  return { event, payload: { source: { id, title }, sourceId: id, member: { userId, role }, vault: { name } } };
}

/** Sends mutations over HTTP. A request whose connection is refused counts as unsent. */
export function httpSender(user) {
  const requests = {
    vault: ({ name }) => ['POST', '/api/vaults', { name }],
    'source:created': ({ vault, title }) => ['POST', `/api/vaults/${vault}/sources`, { ...PAPER, title }],
    'source:updated': ({ id, title }) => ['PATCH', `/api/sources/${id}`, { title }],
    'source:deleted': ({ id }) => ['DELETE', `/api/sources/${id}`],
    'member:added': ({ vault, userId, role }) => ['POST', `/api/vaults/${vault}/members`, { userId, role }],
    'member:updated': ({ vault, userId, role }) => ['PATCH', `/api/vaults/${vault}/members/${userId}`, { role }],
    'member:removed': ({ vault, userId }) => ['DELETE', `/api/vaults/${vault}/members/${userId}`],
    'vault:updated': ({ vault, name }) => ['PATCH', `/api/vaults/${vault}`, { name }],
  };
  return {
    name: 'http',
    user,
    supportsConditions: true,
    async send(request) {
      const { event, key, ifMatch } = request;
      const headers = { ...(key && { 'idempotency-key': key }), ...(ifMatch && { 'if-match': `"${ifMatch}"` }) };
      const [method, path, body] = requests[event](request);
      const answer = await user.request(method, path, body, headers).catch((error) => ({ error }));
      if (answer.error) return { unsent: answer.error.cause?.code === 'ECONNREFUSED' };
      if (answer.status >= 300) return { error: answer.body };
      const field = event.split(':')[0];
      return { seq: answer.seq, response: answer.body && { [field]: answer.body } };
    },
  };
}

/** Sends mutations over a socket, each as soon as the socket is connected. */
export function socketSender(user, client) {
  const payloads = {
    'source:created': ({ vault, title, key }) => ({ vaultId: vault, source: { ...PAPER, title }, key }),
    'source:updated': ({ id, title }) => ({ source: { id, title } }),
    'source:deleted': ({ id }) => ({ sourceId: id }),
  };
  return {
    name: 'sockets',
    user,
    async send(request) {
      await client.waitFor(() => client.socket.connected || undefined, () => `${user.name} is not connected; ${client}`, 60_000);
      const ack = await client.socket.timeout(DEFAULT_TIMEOUT).emitWithAck(request.event, payloads[request.event](request)).catch(() => undefined);
      if (!ack?.ok) return { error: ack?.error };
      return { seq: ack.seq, response: ack.source && { source: ack.source } };
    },
  };
}

/** Creates, updates and deletes its own sources. With `roleChanges` its user may become a viewer at any time. */
export class SourceWriter {
  #sources = [];

  constructor(sender, vaults, { roleChanges = false } = {}) {
    Object.assign(this, { sender, vaults, allowedErrors: roleChanges ? ['INSUFFICIENT_PERMISSIONS'] : [] });
  }

  async next(random, workload) {
    const count = this.#sources.length;
    if (count > 2 && random.chance(0.35)) await this.#update(random, workload);
    else if (count > 2 && random.chance(count / TARGET_SOURCES - 0.2)) await this.#delete(random, workload);
    else await this.#create(random, workload);
  }

  async #create(random, workload) {
    const { id: vault } = random.pick(this.vaults);
    const title = workload.uniqueName('source');
    const key = random.chance(0.7) ? title : undefined;
    const { seq, response } = await workload.mutate(this.sender, { event: 'source:created', vault, title, key, allowedErrors: this.allowedErrors });
    if (response) this.#sources.push({ vault, id: response.source.id, title, seq });
  }

  async #update(random, workload) {
    const source = random.pick(this.#sources);
    const { vault, id } = source;
    const condition = this.sender.supportsConditions ? random.pick(['none', 'none', 'true', 'true', 'false']) : 'none';
    const request = { event: 'source:updated', vault, id, title: workload.uniqueName('updated'), allowedErrors: this.allowedErrors };
    // No other writer changes this source. If a repeated request finds it changed, the first request was applied.
    if (condition === 'true') Object.assign(request, { ifMatch: source.seq, appliedError: 'PRECONDITION_FAILED' });
    if (condition === 'false') Object.assign(request, { ifMatch: source.seq + 1, allowedErrors: ['PRECONDITION_FAILED', ...this.allowedErrors], mustFail: true });
    const { outcome, seq } = await workload.mutate(this.sender, request);
    if (seq !== undefined) source.seq = seq;
    else if (outcome !== 'refused') this.#forget(source);
  }

  async #delete(random, workload) {
    const source = random.pick(this.#sources);
    const { vault, id } = source;
    const appliedError = random.chance(0.7) ? 'NOT_FOUND' : undefined;
    const { outcome } = await workload.mutate(this.sender, { event: 'source:deleted', vault, id, appliedError, allowedErrors: this.allowedErrors });
    if (outcome !== 'refused') this.#forget(source);
  }

  #forget(source) {
    this.#sources = this.#sources.filter((other) => other !== source);
  }
}

/** The owner of the vaults: adds and removes guests, changes the role of `member` all the time, renames vaults and creates new ones. */
export class VaultOwner {
  #guests = [];

  constructor(sender, vaults, member) {
    Object.assign(this, { sender, vaults, member });
  }

  async next(random, workload) {
    const { id: vault } = random.pick(this.vaults);
    const mutate = (request) => workload.mutate(this.sender, request);
    const guest = this.#guests.length > 3 ? random.pick(this.#guests) : undefined;
    if (guest && random.chance(0.3)) {
      this.#guests = this.#guests.filter((other) => other !== guest);
      await mutate({ event: 'member:removed', ...guest, appliedError: 'NOT_FOUND' });
    } else if (random.chance(0.3)) {
      await mutate({ event: 'member:updated', vault, userId: this.member.id, role: random.pick(['viewer', 'contributor', 'contributor']) });
    } else if (random.chance(0.2)) {
      await mutate({ event: 'vault:updated', vault, name: workload.uniqueName('vault') });
    } else if (random.chance(0.1)) {
      await workload.createVault(this.sender, workload.uniqueName('new-vault'));
    } else {
      const userId = workload.uniqueName('guest');
      const { outcome } = await mutate({ event: 'member:added', vault, userId, role: 'viewer', key: userId });
      if (outcome === 'acknowledged') this.#guests.push({ vault, userId });
    }
  }
}
