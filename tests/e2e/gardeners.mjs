// Several people at once who add, change and remove sources of one vault, through whatever happens to the service. They
// rest when they are told to.

import { setTimeout as pause } from 'node:timers/promises';
import { PAPER, range } from './harness.mjs';
import { Watched } from './waiting.mjs';

/** How long somebody whom the service did not answer waits until the next try, in milliseconds. */
const UNANSWERED = 25;

/** How many sources each of them keeps. */
const MOST = 8;

export class Gardeners extends Watched {
  /** How many mutations were answered with success, and the number of the last. */
  done = 0;
  seq = 0;
  #on = true;
  #resting = false;
  #busy = 0;
  #ended;

  constructor(person, vault, many = 3) {
    super();
    this.#ended = Promise.all(range(1, many).map((lane) => this.#work(person, vault, lane)));
  }

  async #work(person, vault, lane) {
    const mine = [];
    for (let n = 0; ; n += 1) {
      await this.until(() => (this.#resting ? undefined : true), () => 'they still rest', 60_000);
      if (!this.#on) return;
      this.#busy += 1;
      const answer = await act(person, vault, mine, `${lane}.${n}`, n).catch(() => undefined);
      this.#busy -= 1;
      if (answer?.seq > 0) {
        this.done += 1;
        this.seq = answer.seq;
      }
      this.changed();
      if (!answer || answer.status === 503) await pause(UNANSWERED);
    }
  }

  /** Waits until so many more are done. */
  async more(count) {
    const enough = this.done + count;
    await this.until(() => (this.done >= enough ? true : undefined), () => `${this.done} of ${enough} done`, 30_000);
  }

  /** From here on nothing is under way, until they `go` on. */
  async rest() {
    this.#resting = true;
    await this.until(() => (this.#busy === 0 ? true : undefined), () => `${this.#busy} are still at it`, 30_000);
  }

  go() {
    this.#resting = false;
    this.changed();
  }

  async stop() {
    this.#on = false;
    this.go();
    await this.#ended;
  }
}

/** One mutation. Whatever became of what was not answered, the other sources are enough to go on with. */
async function act(person, vault, mine, title, n) {
  const id = mine[n % mine.length];
  if (mine.length > MOST) {
    mine.splice(mine.indexOf(id), 1);
    return person.delete(`/api/sources/${id}`);
  }
  if (id && n % 3 > 0) {
    const answer = await person.patch(`/api/sources/${id}`, { title, fileKey: n % 2 ? title : null });
    if (answer.status === 404) mine.splice(mine.indexOf(id), 1); // of another history
    return answer;
  }
  const answer = await person.post(`/api/vaults/${vault.id}/sources`, { ...PAPER, title, fileKey: 'a key' });
  if (answer.status === 201) mine.push(answer.body.id);
  return answer;
}
