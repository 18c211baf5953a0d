// What a service holds: memory, descriptors, sockets, permits of connections, vaults, subscriptions.

import { setTimeout as pause } from 'node:timers/promises';

/** Metrics that are zero when no client is connected and nothing waits. */
const ZERO = [
  'sockets{transport="polling"}', 'sockets{transport="websocket"}', 'connections{listener="main"}', 'subscribers', 'vaults',
  'vault_queue_mutations',
];
/** Metrics that are faults. */
const FAULTS = ['panics', 'vault_actor_panics_total'];
/** Counters that show what happened. */
const COUNTERS = ['sockets_opened_total{transport="websocket"}', 'sockets_opened_total{transport="polling"}', 'socket_upgrades_total', 'slow_closings_total', 'deliveries_total', 'vaults_opened_total'];

/** How long the service may take to release everything, in seconds: sessions of lost clients end with their heartbeat, and vaults retire after
 * at most twice `actors.vault_idle`. */
const SETTLE_TIMEOUT = 120;
/** How long the memory may shrink after that, in seconds: the allocator returns pages with a delay. */
const MEMORY_TIMEOUT = 30;
/** Growth of the memory that is no leak: 16 MiB, and a quarter of the baseline. */
const MEMORY_TOLERANCE = { bytes: 16 << 20, share: 0.25 };
/** Descriptors that may remain: connections to the database are opened and closed on demand. */
const DESCRIPTOR_TOLERANCE = 8;

export class Levels {
  #probe;

  constructor(probe) {
    this.#probe = probe;
  }

  /** Reads all values. */
  async read() {
    const values = { memory: this.#probe.memory };
    for (const name of [...ZERO, ...FAULTS, ...COUNTERS, 'process_open_fds', 'process_cpu_seconds_total']) values[name] = await this.#probe.read(name);
    return values;
  }

  /** Waits until nothing is held any more, or the timeout, and returns the values. */
  async settle() {
    let values = await this.read();
    for (const deadline = Date.now() + 1_000 * SETTLE_TIMEOUT; ZERO.some((name) => values[name] !== 0) && Date.now() < deadline; ) {
      await pause(1_000);
      values = await this.read();
    }
    const held = values;
    for (let second = 0; second < MEMORY_TIMEOUT; second++) {
      await pause(1_000);
      const memory = this.#probe.memory;
      if (memory < values.memory) values = { ...held, memory };
    }
    return { ...(await this.read()), memory: values.memory };
  }

  /** Returns what is not as it was. */
  compare(baseline, end) {
    const failures = [];
    for (const name of ZERO) if (end[name] !== 0) failures.push(`${name} is ${end[name]} although no client is connected`);
    for (const name of FAULTS) if (end[name] !== 0) failures.push(`${name} is ${end[name]}`);
    const descriptors = end.process_open_fds - baseline.process_open_fds;
    if (descriptors > DESCRIPTOR_TOLERANCE) failures.push(`${descriptors} more descriptors are open`);
    const allowed = baseline.memory * (1 + MEMORY_TOLERANCE.share) + MEMORY_TOLERANCE.bytes;
    if (end.memory > allowed) failures.push(`memory is ${mebibytes(end.memory)} MiB; it was ${mebibytes(baseline.memory)}`);
    return failures;
  }

  describe(values) {
    const held = ZERO.filter((name) => values[name] !== 0).map((name) => `${name} ${values[name]}`);
    const counters = COUNTERS.map((name) => `${name} ${values[name]}`);
    return [`${mebibytes(values.memory)} MiB, ${values.process_open_fds} descriptors, ${values.process_cpu_seconds_total.toFixed(0)} s CPU`, ...held, ...counters].join(', ');
  }
}

const mebibytes = (bytes) => (bytes / (1 << 20)).toFixed(1);
