// Who listens while the service is killed: official clients that come back by themselves, each through a network of its
// own. Some have their connections cut while the service lives; some come late, and keep a list that they were given.

import { setTimeout as pause } from 'node:timers/promises';
import { Follower } from '../follower.mjs';
import { Proxy } from '../proxy.mjs';

/** How long a client waits for a connection, in milliseconds. One whose WebSocket ends before the first packet waits that long. */
const PATIENCE = 2_000;

/** How a connection is lost while both its ends live. */
const LOSSES = [
  (network) => network.cut(),
  // For a while the service speaks to nobody.
  async (network, chance) => {
    network.deafen();
    await pause(chance.between(0, 100));
    network.cut();
  },
];

export class Subscriber extends Follower {
  cuts = 0;
  #service;
  #on = true;

  /** It begins where it joins, or, where it `lists`, with the list of each vault's sources. */
  static async at(service, person, vaults, transports, lists = false) {
    const network = await Proxy.inFrontOf(service);
    const listed = lists ? vaults.map(async (vault) => [vault.id, await listOf(person, vault)]) : [];
    return new Subscriber(service, network, person, vaults, transports, new Map(await Promise.all(listed)));
  }

  constructor(service, network, person, vaults, transports, lists) {
    super(network.url, vaults, { transports, timeout: PATIENCE, auth: { token: person.token() } }, lists);
    Object.assign(this, { network, lists, name: `${lists.size > 0 ? 'a list' : 'a room'} by ${transports.join(' and ')}` });
    this.#service = service;
    // The life that it asks to come into, and the one in which it hears that it is there; where they differ, it may be either.
    let asked = service.lives;
    this.socket.io.on('reconnect_attempt', () => (asked = service.lives));
    this.socket.on('connect', () => {
      const { lives } = this.#service;
      Object.assign(this.lives.at(-1), { life: asked === lives ? lives : undefined, isIn: false });
    });
    this.socket.on('disconnect', () => (this.lives.at(-1).isIn = !this.isJoining));
  }

  /** Has its connection cut now and then, while it is in its rooms, and until `close`. */
  async travel(chance) {
    this.name += ', often cut';
    while (this.#on) {
      await pause(chance.between(100, 1_000));
      // A client that is cut off in the middle of its upgrade does not notice before its heartbeat fails.
      if (!this.isIn || this.socket.io.engine.upgrading) continue;
      await chance.pick(LOSSES)(this.network, chance);
      this.cuts += 1;
      await pause(chance.between(0, 30));
      this.network.mend();
    }
  }

  /** What the judge is told of it. */
  get account() {
    const rooms = this.vaults.map((vault) => {
      const listed = this.lists.get(vault.id)?.sources;
      return { vault: vault.id, began: this.beganAt(vault), heard: this.eventsOf(vault), listed };
    });
    const { name, lives, resyncs } = this;
    return { name, rooms, lives, resyncs };
  }

  /** How many events it was shown. */
  get shown() {
    return this.vaults.reduce((all, vault) => all + this.eventsOf(vault).length, 0);
  }

  /** Its connection is left alone from here on. */
  settle() {
    this.#on = false;
    this.network.mend();
  }

  async close() {
    this.#on = false;
    super.close();
    await this.network.close();
  }
}

/** The vault's sources, page by page, and where events go on. */
export async function listOf(person, vault) {
  const page = async (cursor) => (await person.get(`/api/vaults/${vault.id}/sources?limit=500${cursor ? `&cursor=${cursor}` : ''}`)).is(200).body;
  const first = await page();
  const sources = [...first.sources];
  for (let { nextCursor } = first; nextCursor; ) {
    const next = await page(nextCursor);
    sources.push(...next.sources);
    ({ nextCursor } = next);
  }
  return { seq: first.seq, epoch: first.epoch, sources };
}
