// The subscribers of a crash run: official clients that reconnect by themselves, each through a proxy of its own. Some have their
// connections cut while the service runs. Some start late and keep a list of sources up to date.

import { setTimeout as pause } from 'node:timers/promises';
import { CuttingProxy } from '../cutting-proxy.mjs';
import { ResumingClient } from '../resuming-client.mjs';

/** The timeout of a connection attempt, in milliseconds. A client whose WebSocket closes before the first packet waits for it. */
const CONNECT_TIMEOUT = 4_000;

/** The kinds of cuts while both ends of a connection are running. */
const CUT_KINDS = [
  (proxy) => proxy.cut(),
  // The client receives nothing for a while before the connection breaks.
  async (proxy, random) => {
    proxy.discardServerData();
    await pause(random.integer(0, 100));
    proxy.cut();
  },
];

export class Subscriber extends ResumingClient {
  cuts = 0;
  #service;
  #running = true;

  /** Opens a subscriber. With `keepsLists` it lists the sources of each vault first and joins from there. */
  static async open({ service, user, vaults, transports, keepsLists = false }) {
    const proxy = await CuttingProxy.start(service);
    const listings = keepsLists ? vaults.map(async (vault) => [vault.id, await listSources(user, vault)]) : [];
    return new Subscriber({ service, proxy, user, vaults, transports, listings: new Map(await Promise.all(listings)) });
  }

  constructor({ service, proxy, user, vaults, transports, listings }) {
    super(proxy.url, vaults, { transports, timeout: CONNECT_TIMEOUT, auth: { token: user.token() } }, listings);
    const kind = listings.size > 0 ? 'a list keeper' : 'a subscriber';
    Object.assign(this, { proxy, listings, name: `${kind} over ${transports.join(' and ')}` });
    this.#service = service;
    // If the service was restarted between the attempt and the connect, the process that accepted the client is not known.
    let runAtAttempt = service.runNumber;
    this.socket.io.on('reconnect_attempt', () => (runAtAttempt = service.runNumber));
    this.socket.on('connect', () => {
      const { runNumber } = this.#service;
      Object.assign(this.connections.at(-1), { run: runAtAttempt === runNumber ? runNumber : undefined, isJoined: false });
      repeatedJoins = proxy.wire.repeatedJoins;
    });
    // A second join makes the service send the same offsets again, so it cannot know which of them the client names.
    let { repeatedJoins } = proxy.wire;
    this.socket.on('disconnect', () => (this.connections.at(-1).isJoined = !this.isJoining && proxy.wire.repeatedJoins === repeatedJoins));
  }

  /** Cuts the connection at random moments while the client has joined, until `close` or `stopCutting`. */
  async cutRepeatedly(random) {
    this.name += ', with cuts';
    while (this.#running) {
      await pause(random.integer(100, 1_000));
      // A client that is cut during its transport upgrade notices only when its heartbeat fails.
      if (!this.isJoined || this.socket.io.engine.upgrading) continue;
      await random.pick(CUT_KINDS)(this.proxy, random);
      this.cuts += 1;
      await pause(random.integer(0, 30));
      this.proxy.restore();
    }
  }

  /** The observations of this subscriber, as the history checker takes them. */
  get observations() {
    const subscriptions = this.vaults.map((vault) => {
      const listedSources = this.listings.get(vault.id)?.sources;
      return { vault: vault.id, startSeq: this.startSeq(vault), events: this.eventsOf(vault), listedSources };
    });
    const { name, connections, resyncs, proxy: { wire } } = this;
    return { name, subscriptions, connections, resyncs, wire };
  }

  /** The number of events received. */
  get receivedEvents() {
    return this.vaults.reduce((sum, vault) => sum + this.eventsOf(vault).length, 0);
  }

  /** Describes the requests for each event that the official client emitted again. */
  describeRepeatedEvents() {
    return this.repeatedEvents.map(({ payload, seq }) => {
      const vault = payload.vaultId ?? payload.source?.vaultId;
      return `${vault}: ${this.name} received ${seq} again, which was sent ${this.proxy.wire.describe(vault, seq)}`;
    });
  }

  /** Stops cutting the connection. */
  stopCutting() {
    this.#running = false;
    this.proxy.restore();
  }

  async close() {
    this.#running = false;
    super.close();
    await this.proxy.close();
  }
}

/** Reads a listing page by page: all its rows, with the `seq` and the epoch of the first page. */
export async function listAll(user, path, name) {
  const page = async (cursor) => (await user.get(`${path}?limit=500${cursor ? `&cursor=${cursor}` : ''}`)).expectStatus(200).body;
  const first = await page();
  const rows = [...first[name]];
  for (let { nextCursor } = first; nextCursor; ) {
    const next = await page(nextCursor);
    rows.push(...next[name]);
    ({ nextCursor } = next);
  }
  return { seq: first.seq, epoch: first.epoch, rows };
}

/** Lists the sources of the vault, with the `seq` and the epoch from which a join continues. */
export async function listSources(user, vault) {
  const { rows: sources, ...position } = await listAll(user, `/api/vaults/${vault.id}/sources`, 'sources');
  return { ...position, sources };
}
