// A Redis server of one test. It can be killed and started again on the same port, or stopped so that it answers nothing.

import { ManagedProcess } from './managed-process.mjs';
import { freePort } from './test-server.mjs';

export class RedisServer {
  #server;

  constructor(port) {
    Object.assign(this, { port, url: `redis://127.0.0.1:${port}` });
  }

  static async start() {
    const redis = new RedisServer(await freePort());
    await redis.restart();
    return redis;
  }

  async restart() {
    const { PATH } = process.env;
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    this.#server = new ManagedProcess('redis-server', args, { env: { PATH } });
    await this.#server.waitForOutput(/Ready to accept connections/);
  }

  async kill() {
    await this.#server.stop('SIGKILL');
  }

  signal(signal) {
    process.kill(this.#server.pid, signal);
  }

  async dispose() {
    if (!this.#server.exitStatus) await this.kill();
  }
}
