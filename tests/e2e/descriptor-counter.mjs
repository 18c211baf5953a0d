// Counts the descriptors of a service that belong to given connections. What the process opens besides, such as a connection to its
// database, is not counted.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { Observable } from './observable.mjs';

/** The interval between two counts, in milliseconds. No event announces a change. */
const POLL_INTERVAL = 50;

export class DescriptorCounter extends Observable {
  #timer = setInterval(() => this.notify(), POLL_INTERVAL);

  constructor({ pid, port }, clientPorts) {
    super();
    this.count = () => {
      const inodes = connectionInodes(port, clientPorts);
      return readdirSync(`/proc/${pid}/fd`).filter((fd) => inodes.has(socketInode(`/proc/${pid}/fd/${fd}`))).length;
    };
  }

  /** Waits until none of the connections has a descriptor. */
  async waitForNone() {
    await this.waitFor(() => (this.count() === 0 ? true : undefined), () => `${this.count()} connections still have a descriptor`);
  }

  close() {
    clearInterval(this.#timer);
  }
}

/** Returns the inodes of the service's ends of its connections from the given ports. */
function connectionInodes(servicePort, clientPorts) {
  const portOf = (address) => parseInt(address.split(':')[1], 16);
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1).map((row) => row.trim().split(/\s+/));
  return new Set(rows.filter(([, local, remote]) => portOf(local) === servicePort && clientPorts.includes(portOf(remote))).map((row) => row[9]));
}

function socketInode(descriptor) {
  try {
    return readlinkSync(descriptor).match(/^socket:\[(\d+)\]$/)?.[1];
  } catch {
    return undefined; // closed since it was listed
  }
}
