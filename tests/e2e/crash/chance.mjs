// Chance that can be repeated: all that a run leaves to chance comes from one number. Who draws at moments of his own
// has a generator of his own, so that what he draws does not depend on when others do.

export class Chance {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0 on and below 1 (mulberry32). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `first` to `last`. */
  between(first, last) {
    return first + Math.floor(this.next() * (last - first + 1));
  }

  /** True in so many of all cases. */
  happens(share) {
    return this.next() < share;
  }

  pick(list) {
    return list[this.between(0, list.length - 1)];
  }

  fork() {
    return new Chance(this.between(0, 2 ** 32 - 1));
  }
}
