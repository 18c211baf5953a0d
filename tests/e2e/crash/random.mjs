// A seeded random number generator, so that a crash run can be repeated. Concurrent tasks use generators of their own (`fork`), so
// that the numbers of one task do not depend on the timing of another.

export class SeededRandom {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** Returns a number from 0 inclusive to 1 exclusive (mulberry32). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Returns an integer from `first` to `last`, both inclusive. */
  integer(first, last) {
    return first + Math.floor(this.next() * (last - first + 1));
  }

  /** Returns true with this probability. */
  chance(probability) {
    return this.next() < probability;
  }

  pick(list) {
    return list[this.integer(0, list.length - 1)];
  }

  fork() {
    return new SeededRandom(this.integer(0, 2 ** 32 - 1));
  }
}
