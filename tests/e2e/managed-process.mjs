// A child process of a test. Its output is recorded and can be waited for, and it never outlives the test.

import { spawn } from 'node:child_process';
import { DEFAULT_TIMEOUT, Observable } from './observable.mjs';

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class ManagedProcess extends Observable {
  #child;
  #commandLine;
  /** The output so far, of both streams. */
  output = '';
  /** The standard output so far. */
  stdout = '';
  /** `{ code, signal }` after the process has exited. */
  exitStatus;

  constructor(command, args, options) {
    super();
    this.#commandLine = [command, ...args].join(' ');
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    running.add(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.output += text;
        if (stream === this.#child.stdout) this.stdout += text;
        this.notify();
      });
    }
    this.#child.on('error', (error) => this.#handleExit({ code: error.code, signal: null }));
    this.#child.on('close', (code, signal) => this.#handleExit({ code, signal }));
  }

  get pid() {
    return this.#child.pid;
  }

  #handleExit(status) {
    running.delete(this.#child);
    this.exitStatus ??= status;
    this.notify();
  }

  /** Resolves with the first match of `pattern` in the output after the offset `from`. Only complete lines are searched. */
  waitForOutput(pattern, from = 0) {
    const check = () => this.output.slice(from, this.output.lastIndexOf('\n') + 1).match(pattern) ?? undefined;
    return this.waitFor(check, () => `${this.#commandLine} did not print ${pattern}, but:\n${this.output}`);
  }

  /** Resolves with the exit status. */
  waitForExit(timeout = DEFAULT_TIMEOUT) {
    return this.waitFor(() => this.exitStatus, () => `${this.#commandLine} is still running; its output:\n${this.output}`, timeout);
  }

  /** Sends the signal and resolves with the exit status. */
  async stop(signal = 'SIGTERM', timeout = DEFAULT_TIMEOUT) {
    this.#child.kill(signal);
    return this.waitForExit(timeout).catch((error) => {
      this.#child.kill('SIGKILL');
      throw error;
    });
  }
}
