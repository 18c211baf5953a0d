// What whoever operates the service sees of it: its metrics, and what the kernel knows of its process.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './service.mjs';

/** How often it is looked again, in milliseconds: nothing announces a number. */
const LOOK = 50;

export class Gauges {
  #service;
  #port;

  /** Settings of a service that can be looked at, and whoever looks. */
  static async prepare() {
    const gauges = new Gauges();
    gauges.#port = await freePort();
    return { gauges, settings: { VAULTCAST__ADMIN__BIND: `127.0.0.1:${gauges.#port}` } };
  }

  of(service) {
    this.#service = service;
    return this;
  }

  /** The value of a metric, as `sockets_closed_total{reason="slow"}`; 0 for one that is not told. */
  async read(name) {
    const line = (await this.#told()).split('\n').find((line) => line.startsWith(`vaultcast_${name} `));
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')));
  }

  /** On a connection of its own: one that was kept might be closed just when it is to be used again. */
  async #told() {
    const response = await new Promise((resolve, reject) => {
      get(`http://127.0.0.1:${this.#port}/metrics`, { agent: false }, resolve).on('error', reject);
    });
    return text(response);
  }

  /** Waits until a number is as it should be, and gives it back. */
  async until(what, look, fits, deadline = 20_000) {
    for (const end = Date.now() + deadline; ; await pause(LOOK)) {
      const number = await look();
      if (fits(number)) return number;
      if (Date.now() > end) throw new Error(`${what} is ${number} after ${deadline} ms`);
    }
  }

  /** Waits until a metric is as it should be. */
  reads(name, fits, deadline) {
    return this.until(name, () => this.read(name), fits, deadline);
  }

  /** The process's open file descriptors. */
  get descriptors() {
    return readdirSync(`/proc/${this.#service.pid}/fd`).length;
  }

  /** The memory of the process, in bytes: what it has now, or the most that it has had since `forgetPeak`. */
  memory(which = 'VmRSS') {
    const status = readFileSync(`/proc/${this.#service.pid}/status`, 'utf8');
    return 1024 * Number(status.match(new RegExp(`^${which}:\\s+(\\d+) kB`, 'm'))[1]);
  }

  get peak() {
    return this.memory('VmHWM');
  }

  forgetPeak() {
    writeFileSync(`/proc/${this.#service.pid}/clear_refs`, '5');
  }
}
