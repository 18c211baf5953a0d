// Sends the user's changes of one vault, and holds them until the confirmed state includes them or the service refuses them.
import type { CreateSource, Source, UpdateSource } from './generated.js';
import type { Http } from './http.js';
import { coverCreate, newSource, type PendingCreate, type PendingMutation, type Target, targetOf, unconfirmed } from './overlay.js';
import type { VaultEvent, VaultState } from './reducer.js';
import { backoff } from './retry.js';
import { VaultcastError } from './types.js';

/** The result of an accepted change. */
export interface Accepted {
  source: Source;
  /** The number of the change's event. `waitForSeq(seq)` resolves when the snapshot includes it. */
  seq: number;
}

export interface MutationOptions {
  retryDelay: number;
  retryFor: number;
}

export class Mutations {
  /** The mutations that the confirmed state does not include, in the order of the calls. */
  pending: readonly PendingMutation[] = [];
  readonly #vaultId: string;
  readonly #http: Http;
  readonly #options: MutationOptions;
  /** Called after `pending` has changed. */
  readonly #onChange: () => void;
  /** Sources created here, by their temporary and by their real id. */
  readonly #created = new Map<string, PendingCreate>();
  /** The results of the pending mutations; the next mutation of the same source waits for them. */
  readonly #results = new WeakMap<PendingMutation, Promise<unknown>>();
  #epoch = '';

  constructor(vaultId: string, http: Http, options: MutationOptions, onChange: () => void) {
    this.#vaultId = vaultId;
    this.#http = http;
    this.#options = options;
    this.#onChange = onChange;
  }

  create(fields: CreateSource): Promise<Accepted> {
    const input = { ...fields }; // a repetition sends the same, whatever the application does with its object
    const key = randomKey();
    const now = new Date().toISOString();
    const source = newSource({ id: `pending-${key}`, vaultId: this.#vaultId, createdAt: now, updatedAt: now }, input);
    const mutation: PendingCreate = { kind: 'create', source, isCovered: false, seq: undefined };
    this.#created.set(mutation.source.id, mutation);
    return this.#submit(mutation, mutation, async () => {
      const { body, seq } = await this.#http.send<Source>('POST', `/api/vaults/${encodeURIComponent(this.#vaultId)}/sources`, input, key);
      mutation.source = body;
      this.#created.set(body.id, mutation);
      return { source: body, seq };
    });
  }

  update(id: string, fields: UpdateSource): Promise<Accepted> {
    const changes = { ...fields } as UpdateSource;
    const target = this.#target(id);
    return this.#submit({ kind: 'update', target, changes, seq: undefined }, target, async () => {
      const { body, seq } = await this.#http.send<Source>('PATCH', pathOf(target), changes);
      return { source: body, seq };
    });
  }

  remove(id: string): Promise<{ seq: number }> {
    const target = this.#target(id);
    return this.#submit({ kind: 'remove', target, seq: undefined }, target, async () => {
      try {
        const { seq } = await this.#http.send('DELETE', pathOf(target));
        return { seq };
      } catch (error) {
        // The source is gone: another user was faster, or an answer was lost. A browser repeats a request by itself on a lost connection.
        if (error instanceof VaultcastError && error.code === 'NOT_FOUND') return { seq: 0 };
        throw error;
      }
    });
  }

  /** Forgets the mutations that the confirmed state includes. */
  settle(state: VaultState): void {
    if (this.#epoch && state.epoch !== this.#epoch) this.dropAnswered(); // the numbers belong to another history
    this.#epoch = state.epoch;
    this.#keep(unconfirmed(this.pending, state));
  }

  /** Forgets the mutations whose confirmation would not be noticed. */
  dropAnswered(): void {
    this.#keep(this.pending.filter(({ seq }) => seq === undefined));
  }

  /** Notices an event before its state is shown. */
  notice(event: VaultEvent, userId: string | undefined): void {
    coverCreate(this.pending, event, userId);
  }

  /** Keeps the same array if nothing is forgotten. */
  #keep(remaining: readonly PendingMutation[]): void {
    if (remaining.length < this.pending.length) this.pending = remaining;
  }

  #target(id: string): Target {
    return this.#created.get(id) ?? { source: { id } };
  }

  /** Shows the mutation at once, sends it after the earlier ones of its source, and withdraws it if it is refused. */
  async #submit<Result extends { seq: number }>(mutation: PendingMutation, target: Target, send: () => Promise<Result>): Promise<Result> {
    // The id tells, not the object: the user may know the real id before the answer to the creation arrives.
    const earlier = this.pending.filter((other) => targetOf(other).source.id === target.source.id).map((other) => this.#results.get(other));
    const sent = (async () => {
      await Promise.allSettled(earlier);
      if (mutation.kind !== 'create' && 'kind' in target && target.seq === undefined) {
        throw new VaultcastError('NOT_FOUND', 'The source was not created', { status: 404 });
      }
      return this.#repeat(send);
    })();
    this.#results.set(mutation, sent);
    this.pending = [...this.pending, mutation];
    this.#onChange();
    try {
      const result = await sent;
      mutation.seq = result.seq;
      this.pending = [...this.pending];
      return result;
    } catch (error) {
      this.pending = this.pending.filter((other) => other !== mutation);
      throw error;
    } finally {
      this.#onChange();
    }
  }

  /** Repeats a request that may succeed later. A repeated create carries the same idempotency key. */
  async #repeat<Result>(send: () => Promise<Result>): Promise<Result> {
    const deadline = Date.now() + this.#options.retryFor;
    for (let failures = 1, outcomeUnknown = false; ; failures += 1) {
      try {
        return await send();
      } catch (error) {
        if (!(error instanceof VaultcastError)) throw error;
        outcomeUnknown ||= error.outcomeUnknown;
        const delay = backoff(this.#options.retryDelay, failures, error.retryAfter);
        if (!error.temporary || Date.now() + delay > deadline) {
          throw new VaultcastError(error.code, error.message, { ...error, outcomeUnknown });
        }
        await this.#http.pause(delay);
      }
    }
  }
}

function pathOf({ source }: Target): string {
  return `/api/sources/${encodeURIComponent(source.id)}`;
}

/** Returns 32 random hexadecimal digits. `crypto.randomUUID` exists on pages with HTTPS only. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
