// The echo example of the `actix-socketio` crate as a child process: the Socket.IO server without the service.

import { existsSync } from 'node:fs';
import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ManagedProcess } from './managed-process.mjs';

const BINARY = path.resolve(
  process.env.ECHO_BIN ?? fileURLToPath(new URL('../../target/debug/examples/echo', import.meta.url)),
);

export class EchoServer {
  #process;

  /** Starts the server on a free port, with additional command-line arguments. */
  static async start(...args) {
    assert(existsSync(BINARY), `${BINARY} does not exist: run \`cargo build --example echo\`, or set ECHO_BIN`);
    const server = new EchoServer();
    server.#process = new ManagedProcess(BINARY, ['--port', '0', '--ping-interval', '25s', '--ping-timeout', '20s', ...args]);
    const [, url, port] = await server.#process.waitForOutput(/(http:\/\/\S+:(\d+))/);
    return Object.assign(server, { url, port: Number(port) });
  }

  stop() {
    return this.#process.stop('SIGKILL');
  }
}
