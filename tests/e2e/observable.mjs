// Waiting for conditions without sleeps. An `Observable` is an object whose state changes over time, such as the output of a
// process or the events of a socket. It calls `notify()` after each change, and every pending wait checks its condition again.
// A wait resolves with the value that it waited for, or rejects at its timeout with a description of the actual state.

/** The timeout of a wait, in milliseconds. It expires only when a test fails, so it outlasts any delay of a busy machine. */
export const DEFAULT_TIMEOUT = 30_000;

export class Observable {
  #checks = new Set();

  notify() {
    for (const check of [...this.#checks]) check();
  }

  /** Resolves with the first result of `check` that is not undefined. `describe` words the error at the timeout. */
  waitFor(check, describe, timeout = DEFAULT_TIMEOUT) {
    return new Promise((resolve, reject) => {
      const settle = (finish) => {
        this.#checks.delete(checkAgain);
        clearTimeout(timer);
        finish();
      };
      const checkAgain = () => {
        const value = check();
        if (value !== undefined) settle(() => resolve(value));
      };
      const timer = setTimeout(() => settle(() => reject(new Error(`after ${timeout} ms: ${describe()}`))), timeout);
      this.#checks.add(checkAgain);
      checkAgain();
    });
  }
}
