// A load of mutations that creates, updates and deletes sources of one vault, through any failure of the service. It can be
// paused, so that a test knows the state of the vault.

import { setTimeout as pause } from 'node:timers/promises';
import { PAPER, range } from './fixtures.mjs';
import { DEFAULT_TIMEOUT, Observable } from './observable.mjs';

/** The delay after a request that was not answered, in milliseconds. */
const RETRY_DELAY = 25;

/** The number of sources above which a writer deletes one. */
const MAX_SOURCES = 8;

export class MixedLoad extends Observable {
  /** The number of mutations that were acknowledged, and the number of the last event. */
  acknowledged = 0;
  seq = 0;
  #running = true;
  #paused = false;
  #inFlight = 0;
  #done;

  constructor(user, vault, concurrency = 3) {
    super();
    this.#done = Promise.all(range(1, concurrency).map((writer) => this.#write(user, vault, writer)));
  }

  async #write(user, vault, writer) {
    const sourceIds = [];
    for (let number = 0; ; number += 1) {
      await this.waitFor(() => (this.#paused ? undefined : true), () => 'the load is still paused', 180_000);
      if (!this.#running) return;
      this.#inFlight += 1;
      const answer = await mutate({ user, vault, sourceIds, title: `${writer}.${number}`, number }).catch(() => undefined);
      this.#inFlight -= 1;
      if (answer?.seq > 0) {
        this.acknowledged += 1;
        this.seq = answer.seq;
      }
      this.notify();
      if (!answer || answer.status === 503) await pause(RETRY_DELAY);
    }
  }

  /** Waits until `count` more mutations are acknowledged. */
  async waitForMore(count) {
    const target = this.acknowledged + count;
    await this.waitFor(() => (this.acknowledged >= target ? true : undefined), () => `${this.acknowledged} of ${target} mutations acknowledged`, 2 * DEFAULT_TIMEOUT);
  }

  /** Pauses the load and waits until no mutation is under way. */
  async pause() {
    this.#paused = true;
    await this.waitFor(() => (this.#inFlight === 0 ? true : undefined), () => `${this.#inFlight} mutations are still under way`, 2 * DEFAULT_TIMEOUT);
  }

  resume() {
    this.#paused = false;
    this.notify();
  }

  async stop() {
    this.#running = false;
    this.resume();
    await this.#done;
  }
}

/** Sends one mutation and updates `sourceIds`. A source of a mutation that was not answered is not tracked. */
async function mutate({ user, vault, sourceIds, title, number }) {
  const id = sourceIds[number % sourceIds.length];
  if (sourceIds.length > MAX_SOURCES) {
    sourceIds.splice(sourceIds.indexOf(id), 1);
    return user.delete(`/api/sources/${id}`);
  }
  if (id && number % 3 > 0) {
    const answer = await user.patch(`/api/sources/${id}`, { title, fileKey: number % 2 ? title : null });
    if (answer.status === 404) sourceIds.splice(sourceIds.indexOf(id), 1); // created after the restored backup
    return answer;
  }
  const answer = await user.post(`/api/vaults/${vault.id}/sources`, { ...PAPER, title, fileKey: 'a key' });
  if (answer.status === 201) sourceIds.push(answer.body.id);
  return answer;
}
