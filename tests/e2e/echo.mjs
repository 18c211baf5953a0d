// The echo example: the Socket.IO layer without the service.

import { existsSync } from 'node:fs';
import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Program } from './program.mjs';

const BINARY = path.resolve(
  process.env.ECHO_BIN ?? fileURLToPath(new URL('../../target/debug/examples/echo', import.meta.url)),
);

export class Echo {
  #program;

  /** Starts it on a free port; `args` are more of its command line. */
  static async start(...args) {
    assert(existsSync(BINARY), `there is no ${BINARY}: run \`cargo build --example echo\`, or set ECHO_BIN`);
    const echo = new Echo();
    echo.#program = new Program(BINARY, ['--port', '0', '--ping-interval', '25s', '--ping-timeout', '20s', ...args]);
    const [, url, port] = await echo.#program.says(/(http:\/\/\S+:(\d+))/);
    return Object.assign(echo, { url, port: Number(port) });
  }

  stop() {
    return this.#program.stop('SIGKILL');
  }
}
