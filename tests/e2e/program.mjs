// A program that runs beside the test: what it says is kept, can be waited for, and it never outlives the test.

import { spawn } from 'node:child_process';
import { DEADLINE, Watched } from './waiting.mjs';

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Program extends Watched {
  #child;
  #name;
  /** Everything said so far, on both streams. */
  output = '';
  /** `{ code, signal }` once it has ended. */
  end;

  constructor(command, args, options) {
    super();
    this.#name = [command, ...args].join(' ');
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    running.add(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text;
        this.changed();
      });
    }
    this.#child.on('error', (error) => this.#ended({ code: error.code, signal: null }));
    this.#child.on('close', (code, signal) => this.#ended({ code, signal }));
  }

  get pid() {
    return this.#child.pid;
  }

  #ended(end) {
    running.delete(this.#child);
    this.end ??= end;
    this.changed();
  }

  /** The match of `pattern` in what it has said, after so much of it, as soon as it is there; each line is seen whole. */
  says(pattern, from = 0) {
    const look = () => this.output.slice(from, this.output.lastIndexOf('\n') + 1).match(pattern) ?? undefined;
    return this.until(look, () => `${this.#name} did not say ${pattern}, but:\n${this.output}`);
  }

  ended(deadline = DEADLINE) {
    return this.until(() => this.end, () => `${this.#name} is still running; it said:\n${this.output}`, deadline);
  }

  /** Sends the signal and waits for the end. */
  async stop(signal = 'SIGTERM', deadline = 15_000) {
    this.#child.kill(signal);
    return this.ended(deadline).catch((error) => {
      this.#child.kill('SIGKILL');
      throw error;
    });
  }
}
