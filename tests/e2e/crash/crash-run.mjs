// One database and a service that is killed on it repeatedly, under a workload of mutations and with subscribers that reconnect. The
// journals are checked after each kill, and the complete history at the end, together with `vaultcast verify`.

import { setTimeout as pause } from 'node:timers/promises';
import { range } from '../fixtures.mjs';
import { readJournal } from '../journals.mjs';
import { TestClient } from '../test-client.mjs';
import { TestServer } from '../test-server.mjs';
import { TestUser } from '../test-user.mjs';
import { checkHistory, checkReceivedEvents, checkSentEvents, findMissingMutations } from './history-checker.mjs';
import { KILL_POINTS } from './kill-points.mjs';
import { SeededRandom } from './random.mjs';
import { listAll, listSources, Subscriber } from './subscriber.mjs';
import { httpSender, socketSender, SourceWriter, VaultOwner, Workload } from './workload.mjs';

const VAULTS = 4;

/** The first subscribers: their transports, and whether their connections are cut. */
const SUBSCRIBERS = [
  { transports: ['websocket'] },
  { transports: ['polling'] },
  { transports: ['polling', 'websocket'] },
  { transports: ['websocket'], isCut: true },
  { transports: ['polling'], isCut: true },
  { transports: ['polling', 'websocket'], isCut: true },
];

/** One more subscriber starts after this many kills each, up to this number. */
const LATE_SUBSCRIBERS = { killInterval: 7, max: 6 };

/** The probability that a starting service is killed before it is ready. */
const KILL_AT_START = 0.2;

const SETTINGS = {
  RUST_LOG: 'warn',
  // A client that is cut during its upgrade notices only when the heartbeat fails, so the heartbeat is short.
  VAULTCAST__SOCKETIO__PING_INTERVAL: '1s',
  VAULTCAST__SOCKETIO__PING_TIMEOUT: '2s',
};

export class CrashRun {
  kills = 0;
  /** The contradictions found so far. */
  contradictions = [];
  workload = new Workload();
  subscribers = [];
  vaults = [];
  /** How each run of the service ended: `killed`, `stopped`, or `killed during a stop`. */
  #exits = new Map();
  /** The number of kills at each kill point, by its name. */
  killCounts = new Map();
  #bursts = [];
  #socketClients = [];
  /** The journals as read so far, and how many mutations and events have been compared with them. */
  #journals = new Map();
  #checked = { mutations: 0, events: new Map() };

  static async start(seed) {
    const run = new CrashRun();
    run.random = new SeededRandom(seed);
    run.service = await TestServer.start('serve', SETTINGS);
    try {
      await run.#populate();
    } catch (error) {
      await run.dispose();
      throw error;
    }
    return run;
  }

  async #populate() {
    const [ana, ben, cem, dora, eli, finn, gil] = ['ana', 'ben', 'cem', 'dora', 'eli', 'finn', 'gil'].map(
      (name) => new TestUser(this.service, name, name, `${name}@example.com`),
    );
    const ownerSender = httpSender(ana);
    for (const number of range(1, VAULTS)) {
      const name = `Vault ${number}`;
      const vault = (await ana.post('/api/vaults', { name })).expectStatus(201).body.id;
      this.vaults.push({ id: vault, name });
      this.#journals.set(vault, []);
      for (const [role, users] of Object.entries({ contributor: [ben, cem, dora, eli, finn], viewer: [gil] })) {
        for (const { id: userId } of users) await this.workload.mutate(ownerSender, { event: 'member:added', vault, userId, role });
      }
    }
    const socketSenders = [[dora, 'websocket'], [eli, 'polling']].map(([user, transport]) => {
      const client = new TestClient(this.service.url, { transports: [transport], auth: { token: user.token() } });
      this.#socketClients.push(client);
      return socketSender(user, client);
    });
    const senders = [httpSender(ben), httpSender(cem), ...socketSenders];
    Object.assign(this, { ana, gil, senders });
    for (const { transports, isCut } of SUBSCRIBERS) await this.#addSubscriber({ transports, isCut });
    for (const sender of senders) this.workload.start(new SourceWriter(sender, this.vaults), this.random.fork());
    this.workload.start(new SourceWriter(httpSender(finn), this.vaults, { roleChanges: true }), this.random.fork());
    this.workload.start(new VaultOwner(ownerSender, this.vaults, finn), this.random.fork());
  }

  async #addSubscriber({ transports, isCut = false, keepsLists = false }) {
    const subscriber = await Subscriber.open({ service: this.service, user: this.gil, vaults: this.vaults, transports, keepsLists });
    this.subscribers.push(subscriber);
    await subscriber.waitForConnections(1);
    if (isCut) subscriber.cutRepeatedly(this.random.fork());
  }

  /** Kills the service at a random point, and possibly again while it starts, up to `maxKills` kills in this run. */
  async killAndCheck(maxKills) {
    const { random, workload, service, subscribers } = this;
    const point = random.pick(KILL_POINTS);
    const startBurst = (count) => this.#startBurst(count);
    await point.reach({ random, workload, service, subscribers, startBurst });
    await this.#kill(point.name, point.isStop);
    service.launch();
    while (this.kills < maxKills && random.chance(KILL_AT_START)) {
      await pause(random.integer(0, random.pick([20, 150, 500])));
      await this.#kill('during the start');
      service.launch();
    }
    await service.waitUntilReady();
    await this.#checkJournals();
    const late = subscribers.length - SUBSCRIBERS.length;
    if (late < LATE_SUBSCRIBERS.max && this.kills >= (late + 1) * LATE_SUBSCRIBERS.killInterval) {
      await this.#addSubscriber({ transports: random.pick(SUBSCRIBERS).transports, isCut: random.chance(0.5), keepsLists: true });
    }
  }

  /** Starts a burst without waiting for it. Its errors are reported at the end of the run. */
  #startBurst(count) {
    const burst = this.workload.burst({ count, senders: this.senders, vaults: this.vaults, random: this.random });
    burst.catch(() => {});
    this.#bursts.push(burst);
  }

  async #kill(point, isStop = false) {
    const { code, signal } = await this.service.kill();
    const { runNumber } = this.service;
    if (signal === 'SIGKILL') {
      this.#exits.set(runNumber, isStop ? 'killed during a stop' : 'killed');
      this.killCounts.set(point, (this.killCounts.get(point) ?? 0) + 1);
      this.kills += 1;
    } else {
      this.#exits.set(runNumber, 'stopped');
      if (!isStop || code !== 0) this.contradictions.push(`run ${runNumber} of the service exited by itself with ${code ?? signal}; its output:\n${this.service.output}`);
    }
  }

  /** Reads the new part of the journals, and compares with it what was acknowledged and received before the read. */
  async #checkJournals() {
    const mutations = this.workload.mutations.slice(this.#checked.mutations);
    const observations = this.subscribers.map((subscriber) => this.#newObservations(subscriber));
    for (const { id } of this.vaults) {
      const journal = this.#journals.get(id);
      journal.push(...(await readJournal(this.ana, { id }, journal.at(-1)?.seq)));
    }
    this.#checked.mutations += mutations.length;
    this.contradictions.push(
      ...findMissingMutations(this.#journals, mutations),
      ...observations.flatMap((subscriber) => [...checkReceivedEvents(subscriber, this.#journals), ...checkSentEvents(subscriber)]),
    );
  }

  /** Returns the events that a subscriber received since the last call. */
  #newObservations(subscriber) {
    const { name, subscriptions, wire } = subscriber.observations;
    const checkedCounts = this.#checked.events.get(subscriber) ?? {};
    this.#checked.events.set(subscriber, Object.fromEntries(subscriptions.map(({ vault, events }) => [vault, events.length])));
    const newPart = ({ vault, startSeq, events }) => {
      const count = checkedCounts[vault] ?? 0;
      return { vault, startSeq: events[count - 1]?.seq ?? startSeq, events: events.slice(count) };
    };
    return { name, subscriptions: subscriptions.map(newPart), wire };
  }

  /** Ends the workload, waits until all subscribers are up to date, and checks the complete history. */
  async finish() {
    for (const subscriber of this.subscribers) subscriber.stopCutting();
    await this.workload.stop();
    await Promise.all(this.#bursts);
    for (const subscriber of this.subscribers) {
      await subscriber.waitForConnections(1).catch(({ message }) => this.contradictions.push(`${subscriber.name}: ${message}`));
    }
    // A duplicate of an earlier event would arrive before this last one.
    const ownerSender = httpSender(this.ana);
    for (const { id: vault } of this.vaults) {
      await this.workload.mutate(ownerSender, { event: 'source:created', vault, title: `the last of ${vault}` });
    }
    const vaults = await Promise.all(this.vaults.map((vault) => this.#readVault(vault)));
    const waits = vaults.flatMap(({ id, journal }) => this.subscribers.map((subscriber) => subscriber.waitForSeq({ id }, journal.at(-1).seq)));
    // The history checker reports subscribers that did not receive the last event.
    await Promise.allSettled(waits);
    const { mutations, vaults: createdVaults, violations } = this.workload;
    const ownIds = new Set(this.vaults.map(({ id }) => id));
    const foundVaults = (await listAll(this.ana, '/api/vaults', 'vaults')).rows.filter(({ id }) => !ownIds.has(id));
    const subscribers = this.subscribers.map(({ observations }) => observations);
    this.contradictions.push(...violations, ...checkHistory({ vaults, createdVaults, foundVaults, mutations, subscribers, exits: this.#exits }));
    if (/panicked/.test(this.service.output)) this.contradictions.push(`the service panicked; its output:\n${this.service.output}`);
    await this.#verify();
  }

  /** Reads the final state of a vault, as the history checker takes it. */
  async #readVault({ id, name }) {
    const journal = await readJournal(this.ana, { id });
    const get = async (path) => (await this.ana.get(`/api/vaults/${id}${path}`)).expectStatus(200).body;
    const { rows: members } = await listAll(this.ana, `/api/vaults/${id}/members`, 'members');
    const [{ sources }, vault] = [await listSources(this.ana, { id }), await get('')];
    const listing = { sources, members, name: vault.name, seq: vault.seq };
    return { id, owner: this.ana.id, name, journal, earlierJournal: this.#journals.get(id), listing };
  }

  async #verify() {
    for (const client of [...this.subscribers, ...this.#socketClients]) client.close();
    await this.service.stop();
    const { code, output } = await this.service.tryRun('verify');
    if (code !== 0) this.contradictions.push(`vaultcast verify exited with ${code}:\n${output}`);
  }

  /** The statistics of this run. */
  get statistics() {
    const sum = (count) => this.subscribers.reduce((total, subscriber) => total + count(subscriber), 0);
    const { http, sockets, refused, unknown, applied, repeated } = this.workload.counts;
    return {
      kills: this.kills,
      'orderly stops': [...this.#exits.values()].filter((exit) => exit === 'stopped').length,
      'acknowledged over HTTP': http,
      'acknowledged over sockets': sockets,
      'repeated after a lost answer': repeated,
      'of these already applied': applied,
      refused,
      unknown,
      'events received': sum(({ receivedEvents }) => receivedEvents),
      'emitted again by the client': sum(({ repeatedEvents }) => repeatedEvents.length),
      'joins sent again by the client': sum(({ proxy }) => proxy.wire.repeatedJoins),
      'resumes with since': sum(({ resumes }) => resumes.length),
      'connections cut': sum(({ cuts }) => cuts),
      recoveries: sum(({ connections }) => connections.filter(({ recovered }) => recovered).length),
      resyncs: sum(({ resyncs }) => resyncs.length),
    };
  }

  async dispose() {
    this.workload.stop().catch(() => {});
    for (const client of [...this.subscribers, ...this.#socketClients]) await client.close();
    await this.service.dispose();
  }
}
