// The churn: several loops that run until a deadline, each a kind of client behaviour. All wait for what they need, and a loop that fails
// ends the churn with its error.

import { setTimeout as pause } from 'node:timers/promises';
import { PAPER } from '../e2e/fixtures.mjs';
import { RawSocketPool } from '../e2e/raw-sockets.mjs';
import { TestClient } from '../e2e/test-client.mjs';
import { TestUser } from '../e2e/test-user.mjs';

/** Vaults that live as long as the churn. */
const VAULTS = 5;
/** Mutations of one burst, by this many requests at a time. A burst overflows the outbox of a client that does not read. */
const BURST = 600;
const WRITERS = 8;

export class Churn {
  #service;
  #clients;
  #owner;
  #vaults = [];
  #deadline;
  #counts = { mutations: 0, pools: 0, cuts: 0, stalls: 0, upgrades: 0, vaults: 0 };
  violations = [];

  /** `clients` is how many sockets are connected at a time, about. */
  constructor(service, clients) {
    this.#service = service;
    this.#clients = clients;
    this.#owner = new TestUser(service, 'owner', 'Olga', 'olga@example.com').withLongTimeout();
  }

  describe() {
    return Object.entries(this.#counts).map(([name, count]) => `${count} ${name}`).join(', ');
  }

  /** Runs all loops, and ends all clients. */
  async run(seconds) {
    this.#deadline = Date.now() + 1_000 * seconds;
    for (let index = 0; index < VAULTS; index++) this.#vaults.push(await this.#createVault());
    const third = Math.ceil(this.#clients / 3 / VAULTS);
    const loops = [
      () => this.#burst(),
      () => this.#connectAndClose(third),
      ...this.#withPool(third, (pool) => this.#cut(pool)),
      ...this.#withPool(Math.ceil(third / 4), (pool) => this.#stall(pool)),
      () => this.#upgrade(10),
      () => this.#openAndDelete(),
    ];
    await Promise.all(loops.map((loop) => this.#repeat(loop)));
    for (const close of this.#closers) close();
  }

  #closers = [];

  async #repeat(loop) {
    while (Date.now() < this.#deadline) await loop();
  }

  /** Returns a loop over the sockets of one pool, which reconnect by themselves. */
  #withPool(count, loop) {
    const pool = this.#openPool(count);
    this.#closers.push(() => this.#closePool(pool));
    return [() => loop(pool)];
  }

  #openPool(count) {
    this.#counts.pools += 1;
    return new RawSocketPool(this.#service.url, this.#owner, this.#vaults, count);
  }

  #closePool(pool) {
    this.violations.push(...pool.violations);
    pool.close();
  }

  async #createVault() {
    const { body } = await this.#owner.post('/api/vaults', { name: 'Soak' });
    return body;
  }

  /** Writes many sources at once into one vault, then pauses. */
  async #burst() {
    const { id } = pick(this.#vaults);
    const write = async () => {
      for (let written = 0; written < BURST / WRITERS; written++) {
        // Long enough for a burst to fill the buffers of the kernel.
        const source = { ...PAPER, fileUrl: `${PAPER.fileUrl}?${'x'.repeat(Math.floor(2_000 * Math.random()))}` };
        (await this.#owner.post(`/api/vaults/${id}/sources`, source)).expectStatus(201);
        this.#counts.mutations += 1;
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, write));
    await pause(500 + 1_500 * Math.random());
  }

  /** Connects sockets, lets them receive for a while, and closes all without a close frame. */
  async #connectAndClose(count) {
    const pool = this.#openPool(count);
    await pool.waitForConnections(1);
    await pause(3_000 * Math.random());
    this.#closePool(pool);
  }

  /** Resets the connections of some sockets, and waits until all have joined again. */
  async #cut(pool) {
    for (const socket of pool.sockets) {
      if (Math.random() < 0.3) {
        socket.cut();
        this.#counts.cuts += 1;
      }
    }
    await pause(1_000 * Math.random());
    await pool.waitForConnections(1);
  }

  /** Some sockets stop reading for a while, most of them until they are closed as slow. */
  async #stall(pool) {
    const stalled = pool.sockets.filter(() => Math.random() < 0.5);
    for (const socket of stalled) socket.stopReading();
    this.#counts.stalls += stalled.length;
    await pause(8_000 * Math.random());
    for (const socket of stalled) socket.resumeReading();
    await pool.waitForConnections(1);
  }

  /** Connects official clients, which begin by polling. Some are closed before or during the upgrade. */
  async #upgrade(count) {
    await Promise.all(Array.from({ length: count }, async () => {
      const client = new TestClient(this.#service.url, { auth: { token: this.#owner.token() } });
      const { id } = pick(this.#vaults);
      if (Math.random() < 0.7) {
        await client.nextEvent('connect');
        await client.emitOk('vault:join', id);
        if (Math.random() < 0.7) await client.waitForUpgrade();
        this.#counts.upgrades += 1;
        await pause(1_000 * Math.random());
      } else {
        await pause(30 * Math.random());
      }
      if (Math.random() < 0.5) client.socket.disconnect();
      else client.socket.io.engine?.close();
      client.socket.io.reconnection(false);
      client.socket.disconnect();
    }));
  }

  /** Creates a vault, joins and changes it, and deletes it under its subscribers. */
  async #openAndDelete() {
    const vault = await this.#createVault();
    const client = new TestClient(this.#service.url, { auth: { token: this.#owner.token() }, transports: ['websocket'] });
    await client.nextEvent('connect');
    await client.emitOk('vault:join', vault.id);
    (await this.#owner.post(`/api/vaults/${vault.id}/sources`, PAPER)).expectStatus(201);
    (await this.#owner.delete(`/api/vaults/${vault.id}`)).expectStatus(204);
    await client.nextEvent('vault:deleted');
    client.socket.disconnect();
    this.#counts.vaults += 1;
    await pause(200);
  }
}

const pick = (items) => items[Math.floor(items.length * Math.random())];
