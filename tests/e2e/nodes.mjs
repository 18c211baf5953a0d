// Several processes on one PostgreSQL, and their clients.

import { CuttingProxy } from './cutting-proxy.mjs';
import { onPostgres } from './database.mjs';
import { MetricsProbe } from './metrics-probe.mjs';
import { TestClient } from './test-client.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

/** The options of a test with several nodes. */
export const options = { skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set', timeout: 300_000 };

/** Nodes on one database, with the users ana and ben, and the clients of a test. */
export class Nodes {
  services = [];
  probes = [];
  #clients = [];
  #proxies = [];

  /** Starts `count` nodes and runs the test. `settings` are those of all nodes, or a function from the index of a node to its settings. */
  static async run(count, settings, test) {
    const nodes = new Nodes();
    try {
      while (nodes.services.length < count) await nodes.#start(typeof settings === 'function' ? settings(nodes.services.length) : settings);
      await test(nodes);
    } catch (error) {
      for (const [index, service] of nodes.services.entries()) console.error(`--- output of node ${index}\n${service.output}---`);
      throw error;
    } finally {
      for (const client of nodes.#clients) client.close();
      for (const proxy of nodes.#proxies) await proxy.close();
      // The first one owns the database.
      for (const service of nodes.services.toReversed()) await service.dispose();
    }
  }

  async #start(settings) {
    const { probe, settings: admin } = await MetricsProbe.prepare();
    const [first] = this.services;
    const shared = first ? { DATABASE_URL: first.database.url } : {};
    const service = await TestServer.start('serve', { ...settings, ...admin, ...shared });
    this.services.push(service);
    this.probes.push(probe.attach(service));
  }

  /** Returns a user whose requests go to this node. */
  user(node, id) {
    return new TestUser(this.services[node], id, id, `${id}@example.com`);
  }

  /** Opens a client at this node. */
  async connect(node, id, settings = {}) {
    const client = new TestClient(this.services[node].url, { auth: { token: this.user(node, id).token() }, ...settings });
    this.#clients.push(client);
    await client.nextEvent('connect');
    return client;
  }

  /** Starts a proxy that forwards to this node first. */
  async startProxy(node) {
    const proxy = await CuttingProxy.start(this.services[node]);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** Opens a client of ana through a proxy. */
  async connectVia(proxy, settings = {}) {
    const client = new TestClient(proxy.url, { auth: { token: this.user(0, 'ana').token() }, ...settings });
    this.#clients.push(client);
    await client.nextEvent('connect');
    return client;
  }

  /** Creates a client of ana at this node that claims the connection of another one. It connects at `socket.connect()`. */
  claimant(node, claimed, settings = {}) {
    const auth = { token: this.user(node, 'ana').token() };
    const client = new TestClient(this.services[node].url, { auth, autoConnect: false, ...settings });
    this.#clients.push(client);
    const { _pid, _lastOffset } = claimed.socket;
    Object.assign(client.socket, { _pid, _lastOffset });
    return client;
  }

  /** Creates a vault of ana, with ben as a contributor. */
  async newVault() {
    const ana = this.user(0, 'ana');
    const { body } = (await ana.post('/api/vaults', { name: 'Shared' })).expectStatus(201);
    const member = { userId: 'ben', role: 'contributor' };
    (await ana.post(`/api/vaults/${body.id}/members`, member)).expectStatus(201);
    return { id: body.id };
  }

  /** Waits until the buses of all nodes work and each has noticed the others. */
  async waitForPeers() {
    for (const probe of this.probes) {
      await probe.waitForMetric('bus_up', (up) => up === 1);
      await probe.waitForMetric('bus_peers', (peers) => peers === this.services.length - 1);
    }
  }
}
