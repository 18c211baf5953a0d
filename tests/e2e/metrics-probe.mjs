// Observes a service from outside: its Prometheus metrics, and the memory of its process.

import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { DEFAULT_TIMEOUT } from './observable.mjs';
import { freePort } from './test-server.mjs';

/** The interval between two reads of a value, in milliseconds. No event announces a change. */
const POLL_INTERVAL = 50;

export class MetricsProbe {
  #service;
  #port;

  /** Returns a probe and the settings with which a service must be started for it. */
  static async prepare() {
    const probe = new MetricsProbe();
    probe.#port = await freePort();
    return { probe, settings: { VAULTCAST__ADMIN__BIND: `127.0.0.1:${probe.#port}` } };
  }

  attach(service) {
    this.#service = service;
    return this;
  }

  /** Reads the value of a metric such as `sockets_closed_total{reason="slow"}`; 0 if it is not exported. */
  async read(name) {
    const line = (await this.#scrape()).split('\n').find((line) => line.startsWith(`vaultcast_${name} `));
    return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')));
  }

  /** Opens a new connection each time, because the service may close a kept-alive one just before it is reused. */
  async #scrape() {
    const response = await new Promise((resolve, reject) => {
      get(`http://127.0.0.1:${this.#port}/metrics`, { agent: false }, resolve).on('error', reject);
    });
    return text(response);
  }

  /** Polls `read` until its result matches, and returns the result. `name` appears in the error at the timeout. */
  async waitForValue(name, read, matches, timeout = 2 * DEFAULT_TIMEOUT) {
    for (const deadline = Date.now() + timeout; ; await pause(POLL_INTERVAL)) {
      const value = await read();
      if (matches(value)) return value;
      if (Date.now() > deadline) throw new Error(`${name} is ${value} after ${timeout} ms`);
    }
  }

  /** Polls a metric until its value matches, and returns the value. */
  waitForMetric(name, matches, timeout) {
    return this.waitForValue(name, () => this.read(name), matches, timeout);
  }

  /** The resident memory of the process, in bytes. */
  get memory() {
    return this.#readMemory('VmRSS');
  }

  /** The largest resident memory since the start of the process or the last `resetPeakMemory`, in bytes. */
  get peakMemory() {
    return this.#readMemory('VmHWM');
  }

  #readMemory(field) {
    const status = readFileSync(`/proc/${this.#service.pid}/status`, 'utf8');
    return 1024 * Number(status.match(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'))[1]);
  }

  resetPeakMemory() {
    writeFileSync(`/proc/${this.#service.pid}/clear_refs`, '5');
  }
}
