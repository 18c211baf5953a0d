// Three nodes behind nginx, as deploy/three-nodes.sh starts them on a new PostgreSQL database.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { newDatabase } from './database.mjs';
import { range } from './fixtures.mjs';
import { ManagedProcess } from './managed-process.mjs';
import { DEFAULT_TIMEOUT } from './observable.mjs';

const SCRIPT = fileURLToPath(new URL('../../deploy/three-nodes.sh', import.meta.url));
const BINARY = process.env.VAULTCAST_BIN ?? fileURLToPath(new URL('../../target/debug/vaultcast', import.meta.url));

export class ThreeNodes {
  secret = 'a secret of the tests that is long enough to sign with';
  #script;

  /** Starts the nodes, on a new database of the common server unless another one is given. */
  static async start({ database } = {}) {
    const nodes = new ThreeNodes();
    nodes.directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-nodes-'));
    nodes.database = database ?? newDatabase(nodes.directory);
    await nodes.database.create();
    nodes.port = await freePorts();
    nodes.url = `http://127.0.0.1:${nodes.port}`;
    const { PATH, HOME } = process.env;
    const env = {
      PATH, HOME, RUST_LOG: 'info', VAULTCAST_BIN: BINARY, DATABASE_URL: nodes.database.url, AUTH_SECRET: nodes.secret,
      VAULTCAST__LIMITS__MUTATIONS_PER_SECOND: '0', VAULTCAST__LIMITS__READS_PER_SECOND: '0',
    };
    nodes.#script = new ManagedProcess(SCRIPT, [String(nodes.port)], { cwd: nodes.directory, env });
    try {
      await nodes.#script.waitForOutput(/rolls the nodes/);
    } catch (error) {
      await nodes.dispose();
      throw error;
    }
    return nodes;
  }

  /** The output of the script and of all nodes. */
  get output() {
    return this.#script.output;
  }

  /** Stops and starts one node after the other. */
  async roll() {
    const from = this.output.length;
    process.kill(this.#script.pid, 'SIGUSR1');
    await this.#script.waitForOutput(/all nodes rolled/, from);
  }

  /** Kills a node and waits until the script has started it again. */
  async kill(node) {
    const pattern = `node ${node} is ready, process (\\d+)`;
    const [, pid] = [...this.output.matchAll(new RegExp(pattern, 'g'))].at(-1);
    const from = this.output.length;
    process.kill(Number(pid), 'SIGKILL');
    await this.#script.waitForOutput(new RegExp(pattern), from);
  }

  /** Returns how many sockets each node has. */
  sockets() {
    return Promise.all(range(this.port + 4, this.port + 6).map(async (port) => {
      const { totals } = await (await fetch(`http://127.0.0.1:${port}/actors`)).json();
      return totals.sockets;
    }));
  }

  /** Waits until `/readyz` of each node answers this status. */
  async waitForReadiness(status) {
    for (const port of range(this.port + 1, this.port + 3)) {
      const readiness = () => fetch(`http://127.0.0.1:${port}/readyz`).then((answer) => answer.status);
      for (const deadline = Date.now() + 3 * DEFAULT_TIMEOUT; (await readiness()) !== status; await pause(50)) {
        if (Date.now() > deadline) throw new Error(`/readyz on port ${port} is not ${status}`);
      }
    }
  }

  async dispose() {
    if (!this.#script.exitStatus) await this.#script.stop('SIGTERM', 3 * DEFAULT_TIMEOUT);
    await this.database.drop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Returns the first of seven free ports in a row: those of nginx, of the nodes, and of their admin listeners. */
async function freePorts() {
  for (;;) {
    const first = 20_000 + Math.floor(10_000 * Math.random());
    const servers = await Promise.allSettled(range(first, first + 6).map(listen));
    for (const { value } of servers) await new Promise((closed) => (value ? value.close(closed) : closed()));
    if (servers.every(({ status }) => status === 'fulfilled')) return first;
  }
}

function listen(port) {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(port, '127.0.0.1', () => resolve(server));
    server.on('error', reject);
  });
}
