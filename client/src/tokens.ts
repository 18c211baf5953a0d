// The user's token: kept until the service refuses it, and renewed once for all requests that it was refused to.
import type { ConnectOptions } from './types.js';

export class Tokens {
  readonly #auth: ConnectOptions['auth'];
  #token: string | undefined;
  #request: Promise<string | undefined> | undefined;

  constructor(auth: ConnectOptions['auth']) {
    this.#auth = auth;
  }

  /** The last token; undefined without one. */
  get current(): string | undefined {
    return this.#token;
  }

  /** Returns the token; undefined if a cookie signs the user in. */
  async get(): Promise<string | undefined> {
    return this.#request ?? this.#token ?? this.#ask(false);
  }

  /** Returns a token other than the refused one, and undefined if there is none. */
  async renew(refused: string | undefined): Promise<string | undefined> {
    const token = this.#request || this.#token === refused ? await (this.#request ?? this.#ask(true)) : this.#token;
    return token === refused ? undefined : token;
  }

  #ask(refused: boolean): Promise<string | undefined> {
    const auth = this.#auth;
    const ask = async () => (this.#token = (typeof auth === 'function' ? await auth({ refused }) : auth) || undefined);
    return (this.#request = ask().finally(() => (this.#request = undefined)));
  }
}
