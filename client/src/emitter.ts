// Handlers of named events. A handler that throws does not prevent the next one from running.

/** Removes the handler. */
export type Unsubscribe = () => void;

export class Emitter<Events> {
  readonly #handlers = new Map<keyof Events, Set<(argument: never) => void>>();

  on<Name extends keyof Events>(name: Name, handler: (argument: Events[Name]) => void): Unsubscribe {
    const entry = (argument: Events[Name]) => handler(argument); // the same function may be added twice
    let handlers = this.#handlers.get(name);
    if (!handlers) this.#handlers.set(name, (handlers = new Set()));
    handlers.add(entry);
    return () => void handlers.delete(entry);
  }

  emit<Name extends keyof Events>(name: Name, argument: Events[Name]): void {
    const handlers = this.#handlers.get(name);
    if (!handlers) return;
    // A handler that is added meanwhile is for the next event; one that is removed meanwhile is not called.
    for (const handler of [...handlers]) if (handlers.has(handler)) call(handler as (argument: Events[Name]) => void, argument);
  }
}

/** Calls a function of the application. What it throws is reported as an uncaught error. */
function call<Argument>(handler: (argument: Argument) => void, argument: Argument): void {
  try {
    handler(argument);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
