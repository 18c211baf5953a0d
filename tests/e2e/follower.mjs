// A client that follows vaults as an application does: it joins them once, leaves the rest to recovery, and where it was not
// recovered it joins again from where it stands.

import assert from 'node:assert/strict';
import { Listener } from './listener.mjs';

export class Follower extends Listener {
  /** What each of its connections was: `{ id, pid, recovered }`. */
  lives = [];
  /** What `vault:joined` said whenever it went on from where it stood, and when it was told that it cannot. */
  resumes = [];
  resyncs = [];
  /** Of each vault by id, the number that it began after, and of which history: `{ seq, epoch }`. */
  #began;
  /** The vaults that it has asked to join, and not been told that it did. */
  #owed = new Set();

  /** `began` is what it knows of the vaults already, by id; where it knows nothing it begins where it joins first. */
  constructor(url, vaults, options, began = []) {
    super(url, options);
    this.vaults = vaults;
    this.#began = new Map(began);
    this.socket.on('connect', () => this.#connected());
    this.socket.on('vault:joined', (joined) => {
      const { vaultId, seq, epoch, replayed, resync } = joined;
      if (resync) this.resyncs.push(joined);
      else if (replayed !== undefined) this.resumes.push(joined);
      if (!this.#began.has(vaultId)) this.#began.set(vaultId, { seq, epoch });
      this.#owed.delete(vaultId);
      this.changed();
    });
  }

  #connected() {
    this.lives.push(this.self);
    if (this.self.recovered) {
      // Of a join that it was not told of it cannot know whether it was heard, and to ask twice is to be told twice.
      if (this.#owed.size > 0) this.socket.disconnect().connect();
      return;
    }
    for (const vault of this.vaults) {
      const { seq, epoch } = this.#began.get(vault.id) ?? {};
      const since = this.eventsOf(vault).at(-1)?.seq ?? seq;
      this.#owed.add(vault.id);
      this.tell('vault:join', { vaultId: vault.id, since, epoch });
    }
  }

  /** The number after which it began to hear the vault. */
  beganAt(vault) {
    return this.#began.get(vault.id)?.seq;
  }

  /** Whether it is in all of its rooms. */
  get isIn() {
    return this.socket.connected && !this.isJoining;
  }

  /** Whether it has asked for a room, and not been told that it is in it. */
  get isJoining() {
    return this.#owed.size > 0;
  }

  /** Waits for so many connections in all, and until it is in all of its rooms. */
  async isBack(lives) {
    const look = () => (this.lives.length >= lives && this.isIn ? true : undefined);
    await this.until(look, () => `${this.lives.length} of ${lives} connections; ${this}`, 30_000);
  }

  /** It was the same one on all connections since the first of these. */
  wasRecovered(since = 0) {
    const [first, ...later] = this.lives.slice(since);
    for (const life of later) assert.deepEqual(life, { id: first.id, pid: first.pid, recovered: true });
  }

  /** It heard what the journals say, from where it began: everything once and in order. */
  async agreesWith(journals) {
    assert.deepEqual(this.resyncs, []);
    for (const vault of this.vaults) {
      const told = journals.get(vault).slice(this.beganAt(vault));
      if (told.length > 0) await this.reaches(vault, told.at(-1).seq);
      const heard = this.eventsOf(vault);
      const odd = heard.findIndex(({ seq }, index) => seq !== told[index]?.seq);
      assert.equal(odd, -1, `${heard[odd]?.seq} was heard after ${heard[odd - 1]?.seq}, by ${this.socket.io.opts.transports}`);
      assert.deepEqual(heard, told);
    }
  }
}
