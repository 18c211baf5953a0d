// A client that follows vaults as an application does: it joins them once, leaves the rest to recovery, and where it was not
// recovered it joins again from where it stands.

import assert from 'node:assert/strict';
import { Listener } from './listener.mjs';

export class Follower extends Listener {
  /** What each of its connections was: `{ id, pid, recovered }`. */
  lives = [];
  /** Of each vault by id, the number that it began after. */
  #began = new Map();
  /** The vaults that it has asked to join, and not been told that it did. */
  #owed = new Set();

  constructor(url, vaults, options) {
    super(url, options);
    this.vaults = vaults;
    this.socket.on('connect', () => this.#connected());
    this.socket.on('vault:joined', ({ vaultId, seq, resync }) => {
      assert.equal(resync, undefined);
      if (!this.#began.has(vaultId)) this.#began.set(vaultId, seq);
      this.#owed.delete(vaultId);
      this.changed();
    });
  }

  #connected() {
    this.lives.push(this.self);
    if (this.self.recovered) return;
    for (const vault of this.vaults) {
      const since = this.eventsOf(vault).at(-1)?.seq ?? this.#began.get(vault.id);
      this.#owed.add(vault.id);
      this.tell('vault:join', { vaultId: vault.id, since });
    }
  }

  /** Waits for so many connections in all, and until it is in all of its rooms. */
  async isBack(lives) {
    const look = () => (this.lives.length >= lives && this.socket.connected && this.#owed.size === 0 ? true : undefined);
    await this.until(look, () => `${this.lives.length} of ${lives} connections; ${this}`, 30_000);
  }

  /** It was the same one on all connections since the first of these. */
  wasRecovered(since = 0) {
    const [first, ...later] = this.lives.slice(since);
    for (const life of later) assert.deepEqual(life, { id: first.id, pid: first.pid, recovered: true });
  }

  /** It heard what the journals say, from where it began: everything once and in order. */
  async agreesWith(journals) {
    for (const vault of this.vaults) {
      const told = journals.get(vault).slice(this.#began.get(vault.id));
      if (told.length > 0) await this.reaches(vault, told.at(-1).seq);
      const heard = this.eventsOf(vault);
      const odd = heard.findIndex(({ seq }, index) => seq !== told[index]?.seq);
      assert.equal(odd, -1, `${heard[odd]?.seq} was heard after ${heard[odd - 1]?.seq}, by ${this.socket.io.opts.transports}`);
      assert.deepEqual(heard, told);
    }
  }
}
