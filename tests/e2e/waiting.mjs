// Waiting for the thing itself. Whatever changes over time (what a program said, what a socket heard) is a `Watched`:
// it calls `changed()` when something is new, and whoever waits looks again. A wait ends with what it looked for, or
// at its deadline with an error that says what was there instead.

export const DEADLINE = 10_000;

export class Watched {
  #looking = new Set();

  changed() {
    for (const look of [...this.#looking]) look();
  }

  /** Resolves with the first answer of `look` that is not undefined; `tell` words the failure at the deadline. */
  until(look, tell, deadline = DEADLINE) {
    return new Promise((resolve, reject) => {
      const end = (settle) => {
        this.#looking.delete(again);
        clearTimeout(timer);
        settle();
      };
      const again = () => {
        const found = look();
        if (found !== undefined) end(() => resolve(found));
      };
      const timer = setTimeout(() => end(() => reject(new Error(`after ${deadline} ms: ${tell()}`))), deadline);
      this.#looking.add(again);
      again();
    });
  }
}
