// A python-socketio client, which runs as a process of its own.

import assert from 'node:assert/strict';
import { ManagedProcess } from './managed-process.mjs';
import { PythonEnvironment, pythonFile } from './python-environment.mjs';

const environment = new PythonEnvironment('socketio');

/** Installs python-socketio, unless it is installed. */
export const installPythonSocketio = () => environment.install();

export class PythonClient extends ManagedProcess {
  /** The number of printed lines that earlier calls of `nextEvent` have passed. */
  #consumed = 0;

  /** `kind` is `sync` or `async`, `handlers` is `recovery` or `contract`. The n-th connection uses the n-th token. */
  constructor({ kind, handlers = 'recovery', url, transports, vault, tokens }) {
    super(environment.program('python'), ['-u', pythonFile('client.py'), kind, handlers, url, transports.join(','), vault.id, ...tokens]);
  }

  /** What the client has printed so far: `{ event, payload }`, oldest first. */
  get log() {
    const lines = this.output.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{"event"')).map((line) => JSON.parse(line));
  }

  /** Resolves with the payload of the next `event`; events before it are passed over. */
  async nextEvent(event) {
    const check = () => {
      const index = this.log.findIndex((entry, index) => index >= this.#consumed && entry.event === event);
      if (index >= 0) this.#consumed = index + 1;
      return index >= 0 ? this.log[index] : this.exitStatus;
    };
    const found = await this.waitFor(check, () => `no ${event}; the client printed:\n${this.output}`);
    assert.equal(found.event, event, `the client ended:\n${this.output}`);
    return found.payload;
  }

  /** The sequence numbers of the received events. */
  get seqs() {
    return this.log.filter(({ event }) => event.startsWith('source:')).map(({ payload }) => payload.seq);
  }
}
