// One vault: performs the effects of its sync machine, and shows its state with the user's own changes on top.
import { Emitter, type Unsubscribe } from './emitter.js';
import type { CreateSource, Source, UpdateSource } from './generated.js';
import type { Http } from './http.js';
import { type Accepted, type MutationOptions, Mutations } from './mutations.js';
import { overlay, type PendingMutation, pendingIds } from './overlay.js';
import type { VaultEvent } from './reducer.js';
import { backoff } from './retry.js';
import { type SyncEffect, type SyncInput, VaultSync } from './sync.js';
import {
  type ConnectionEvents,
  type ConnectionState,
  VaultcastError,
  type VaultEvents,
  type VaultSnapshot,
} from './types.js';

/** How long a vault without subscribers stays joined, and how long its state is kept, in milliseconds. */
const LEAVE_AFTER = 1000;
const FORGET_AFTER = 300_000;

/** What a vault needs of its client. */
export interface Link {
  readonly http: Http;
  readonly state: ConnectionState;
  readonly options: MutationOptions;
  emit(event: 'vault:join' | 'vault:leave', payload: object): void;
  /** The vault has subscribers: it receives the inputs of the connection until `release`. */
  retain(vault: SyncedVault): void;
  release(vault: SyncedVault): void;
  /** The service refused the credential of a request. */
  refused(error: VaultcastError): void;
}

/** The snapshot before anything is known, which is also the one of a server-side rendering. */
export const LOADING: VaultSnapshot = Object.freeze({
  status: 'loading',
  connection: 'connecting',
  error: undefined,
  role: undefined,
  name: '',
  sources: Object.freeze([]),
  members: Object.freeze([]),
  pending: Object.freeze([]),
  seq: -1,
  epoch: '',
});

const NONE: readonly PendingMutation[] = [];

/** A vault that is kept in step while it has subscribers or event handlers. */
export class SyncedVault {
  readonly id: string;
  readonly #link: Link;
  readonly #sync = new VaultSync();
  readonly #mutations: Mutations;
  readonly #emitter = new Emitter<VaultEvents & ConnectionEvents & { change: undefined }>();
  #snapshot = LOADING;
  /** What `#snapshot.sources` was made of. */
  #shown: { sources: readonly Source[]; pending: readonly PendingMutation[] } = { sources: LOADING.sources, pending: NONE };
  #subscribers = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;

  /** @internal */
  constructor(id: string, link: Link) {
    this.id = id;
    this.#link = link;
    this.#mutations = new Mutations(id, link.http, link.options, () => this.refresh());
  }

  /** Calls `listener` after each change of the snapshot. The vault is kept in step while it has a subscriber or an event handler. */
  readonly subscribe = (listener: () => void): Unsubscribe => this.#retain(this.#emitter.on('change', listener));

  /** Returns the present state. The object changes only when the state does. */
  readonly getSnapshot = (): VaultSnapshot => this.#snapshot;

  /**
   * Calls `handler` for an event of the vault, after the snapshot includes it: each once, in the order of `seq`. Events that a listing
   * includes are not emitted. Also for events of the connection: `connect`, `disconnect`, `reconnect`, `reconnect_attempt`, `error`.
   */
  readonly on = <Name extends keyof (VaultEvents & ConnectionEvents)>(
    name: Name,
    handler: (argument: (VaultEvents & ConnectionEvents)[Name]) => void,
  ): Unsubscribe => this.#retain(this.#emitter.on(name, handler as never));

  /**
   * Creates a source. The snapshot shows it at once, under a temporary id until the service has answered.
   * Rejects with a {@link VaultcastError} if the service refuses it; then the snapshot no longer shows it.
   */
  readonly create = (source: CreateSource): Promise<Accepted> => this.#mutations.create(source);

  /** Changes fields of a source; like {@link create}. Changes of one source are sent one after the other. */
  readonly update = (sourceId: string, changes: UpdateSource): Promise<Accepted> => this.#mutations.update(sourceId, changes);

  /** Removes a source; like {@link create}. `seq` is 0 if the source was gone already. */
  readonly remove = (sourceId: string): Promise<{ seq: number }> => this.#mutations.remove(sourceId);

  /** Resolves when the snapshot includes event `seq`. Rejects when the vault ends before. */
  readonly waitForSeq = (seq: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = () => {
        const { status, error } = this.#snapshot;
        if (status !== 'ended' && this.#snapshot.seq < seq) return;
        unsubscribe?.();
        if (status === 'ended') reject(error);
        else resolve();
      };
      let unsubscribe: Unsubscribe | undefined;
      unsubscribe = this.subscribe(check);
      check();
    });

  /** @internal Hands an input of the connection to the sync machine. */
  handle(input: SyncInput): void {
    const before = this.#sync.error;
    const effects = this.#sync.handle(input);
    for (const effect of effects) if (effect.type === 'applied') this.#mutations.notice(effect.event, this.#sync.userId);
    this.refresh();
    for (const effect of effects) this.#perform(effect);
    const { error } = this.#sync;
    // A refused credential is an error of the connection, which emits it.
    if (error && error !== before && error.code !== 'UNAUTHORIZED') this.emit('error', error);
  }

  /** @internal Ends the vault when its client is closed. */
  end(error: VaultcastError): void {
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#retryTimer);
    this.#sync.end(error);
    this.refresh();
  }

  /** @internal */
  emit<Name extends keyof ConnectionEvents>(name: Name, argument: ConnectionEvents[Name]): void {
    this.#emitter.emit(name, argument as never);
  }

  /** @internal Shows the present state, if it differs from the snapshot. */
  refresh(): void {
    const { published, ended, error, isLive, userId } = this.#sync;
    if (published) this.#mutations.settle(published);
    else if (this.#subscribers === 0 || ended) this.#mutations.dropAnswered();
    const pending = ended ? NONE : this.#mutations.pending;
    const { seq, epoch, name, members, sources } = published ?? LOADING;
    const isSame = sources === this.#shown.sources && pending === this.#shown.pending;
    const next: VaultSnapshot = {
      status: ended ? 'ended' : !published ? 'loading' : isLive ? 'live' : 'stale',
      connection: this.#link.state,
      error,
      role: members.find((member) => member.userId === userId)?.role,
      name,
      sources: isSame ? this.#snapshot.sources : Object.freeze(overlay(sources, pending)),
      members: Object.freeze(members),
      pending: isSame ? this.#snapshot.pending : Object.freeze(pendingIds(pending)),
      seq,
      epoch,
    };
    this.#shown = { sources, pending };
    if (Object.entries(next).every(([field, value]) => this.#snapshot[field as keyof VaultSnapshot] === value)) return;
    this.#snapshot = Object.freeze(next);
    this.#emitter.emit('change', undefined);
  }

  #perform(effect: SyncEffect): void {
    switch (effect.type) {
      case 'list':
        return void this.#list();
      case 'join':
        return this.#link.emit('vault:join', { vaultId: this.id, since: effect.since, epoch: effect.epoch });
      case 'leave':
        return this.#link.emit('vault:leave', { vaultId: this.id });
      case 'retry':
        return this.#retry(effect.failures, effect.error);
      case 'applied':
        return this.#deliver(effect.event);
    }
  }

  async #list(): Promise<void> {
    try {
      this.handle({ type: 'listed', ...(await this.#link.http.list(this.id)) });
    } catch (error) {
      this.handle({ type: 'list-failed', error: error as VaultcastError });
    }
  }

  #retry(failures: number, error: VaultcastError | undefined): void {
    if (error?.code === 'UNAUTHORIZED') return this.#link.refused(error); // a sign-in is needed, not time
    clearTimeout(this.#retryTimer);
    const delay = backoff(this.#link.options.retryDelay, failures, error?.retryAfter);
    this.#retryTimer = setTimeout(() => this.handle({ type: 'retry' }), delay);
  }

  #deliver({ name, payload }: VaultEvent): void {
    this.#emitter.emit(name, payload as never);
  }

  /** Counts a subscriber. The first one starts the vault; some time after the last one the vault is left, and later forgotten. */
  #retain(unsubscribe: Unsubscribe): Unsubscribe {
    clearTimeout(this.#idleTimer);
    this.#subscribers += 1;
    if (this.#subscribers === 1 && this.#link.state !== 'closed') {
      this.#link.retain(this);
      this.handle({ type: 'start' });
    }
    let isSubscribed = true;
    return () => {
      if (!isSubscribed) return;
      isSubscribed = false;
      unsubscribe();
      this.#subscribers -= 1;
      if (this.#subscribers > 0) return;
      this.#idleAfter(LEAVE_AFTER, () => {
        clearTimeout(this.#retryTimer);
        this.handle({ type: 'stop' });
        this.#idleAfter(FORGET_AFTER, () => this.#forget());
      });
    };
  }

  #idleAfter(milliseconds: number, action: () => void): void {
    const timer = setTimeout(action, milliseconds);
    this.#idleTimer = timer;
    (timer as { unref?: () => void }).unref?.(); // in Node: does not keep the process running
  }

  #forget(): void {
    this.#link.release(this);
    this.#sync.forget();
    this.refresh();
  }
}
