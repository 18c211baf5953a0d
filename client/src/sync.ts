// Keeps one vault in step: list, join from there, apply each event in turn. The machine has no I/O and no clock: it takes inputs and
// returns the effects that its owner performs. docs/ordering.md of the service explains why the published states are exact.
import type { VaultJoined } from './generated.js';
import { applyEvent, type VaultEvent, type VaultState } from './reducer.js';
import { VaultcastError } from './types.js';

export type SyncInput =
  /** A first subscriber, or none any more. */
  | { type: 'start' | 'stop' }
  /** The application asks for another attempt at once. */
  | { type: 'restart' }
  /** `recovered`: the service continues the subscriptions of the last connection by itself. */
  | { type: 'connected'; recovered: boolean }
  | { type: 'disconnected' }
  | { type: 'listed'; state: VaultState; consistentAt: number }
  | { type: 'list-failed'; error: VaultcastError }
  | { type: 'joined'; joined: VaultJoined }
  /** The service refused the join or has ended the subscription. */
  | { type: 'refused'; error: VaultcastError }
  | { type: 'event'; event: VaultEvent }
  /** The delay of a `retry` is over. */
  | { type: 'retry' }
  /** Messages may have been lost although the connection was not. */
  | { type: 'check' };

export type SyncEffect =
  | { type: 'list' }
  | { type: 'join'; since: number; epoch: string }
  | { type: 'leave' }
  /** Input `retry` after a delay that grows with `failures`. */
  | { type: 'retry'; failures: number; error: VaultcastError | undefined }
  /** The published state includes one more event. */
  | { type: 'applied'; event: VaultEvent };

/** A request of the machine: not needed or not sent, sent, waiting for a retry, answered. */
type Progress = 'idle' | 'sent' | 'waiting' | 'done';

export class VaultSync {
  /** The state to show: the vault after event `published.seq`. */
  published: VaultState | undefined;
  /** The user of the connection. */
  userId: string | undefined;
  /** Why the vault has ended, or the last failure. */
  error: VaultcastError | undefined;
  ended = false;
  #active = false;
  #connected = false;
  /** The state that events are applied to; undefined while it is being listed. Published after a join has confirmed its epoch. */
  #replica: VaultState | undefined;
  /** The replica is exact from this `seq` on. */
  #consistentAt = 0;
  /** The head of the vault at the join. */
  #head = 0;
  #list: Progress = 'idle';
  #join: Progress = 'idle';
  #failures = 0;
  #mustLeave = false;

  /** Whether the published state is the present one. */
  get isLive(): boolean {
    return this.#connected && this.#join === 'done' && this.published !== undefined && this.published === this.#replica && this.published.seq >= this.#head;
  }

  handle(input: SyncInput): SyncEffect[] {
    const effects = this.#accept(input);
    if (!this.#active || this.ended) return effects;
    if (!this.#replica) {
      if (this.#list === 'idle') {
        this.#list = 'sent';
        effects.push({ type: 'list' });
      }
    } else if (this.#connected && this.#join === 'idle') {
      this.#join = 'sent';
      effects.push({ type: 'join', since: this.#replica.seq, epoch: this.#replica.epoch });
    }
    return effects;
  }

  /** Ends until the next `start` or `restart`, a deleted vault for good. What the user may not read is forgotten. */
  end(error: VaultcastError): void {
    this.ended = true;
    this.error = error;
    this.published = undefined;
    this.#reset();
  }

  /** Forgets the state of a vault without subscribers. */
  forget(): void {
    this.published = undefined;
    this.#connected = false;
    this.#reset();
  }

  #accept(input: SyncInput): SyncEffect[] {
    switch (input.type) {
      case 'start':
        this.#active = true;
        return this.#accept({ type: 'restart' });
      case 'restart':
        this.#retry();
        if (this.ended && this.error?.code !== 'VAULT_DELETED') [this.ended, this.error] = [false, undefined];
        return [];
      case 'stop':
        return this.#stop();
      case 'connected':
        return this.#connect(input.recovered);
      case 'disconnected':
        this.#connected = false;
        return [];
      case 'listed':
        if (this.#list === 'sent') this.#take(input.state, input.consistentAt);
        return [];
      case 'list-failed':
        return this.#list === 'sent' ? this.#fail('list', input.error) : [];
      case 'joined':
        this.#confirm(input.joined);
        return [];
      case 'refused':
        return this.#active && !this.ended ? this.#fail('join', input.error) : [];
      case 'event':
        return this.#apply(input.event);
      case 'retry':
        this.#retry();
        return [];
      case 'check':
        return this.#check();
    }
  }

  /** Leaves also while nothing is joined: the service may continue an earlier subscription. */
  #stop(): SyncEffect[] {
    this.#active = false;
    this.#join = 'idle';
    if (this.#list !== 'done') this.#list = 'idle';
    this.#mustLeave = !this.ended && !this.#connected;
    return !this.ended && this.#connected ? [{ type: 'leave' }] : [];
  }

  #connect(recovered: boolean): SyncEffect[] {
    this.#connected = true;
    // A join that was not answered may not have arrived.
    if (!recovered || this.#join !== 'done') this.#join = 'idle';
    const mustLeave = this.#mustLeave && recovered && !this.#active;
    this.#mustLeave = false;
    this.#retry();
    return mustLeave ? [{ type: 'leave' }] : [];
  }

  /** Requests the events after the replica once more. Those that arrived are dropped when they are replayed. */
  #check(): SyncEffect[] {
    const isJoined = this.#join === 'sent' || this.#join === 'done';
    if (!this.#connected || !this.#replica || !isJoined) return [];
    return [{ type: 'join', since: this.#replica.seq, epoch: this.#replica.epoch }];
  }

  #take(state: VaultState, consistentAt: number): void {
    this.#list = 'done';
    this.#join = 'idle';
    [this.#replica, this.#consistentAt] = [state, consistentAt];
    this.#succeed();
  }

  #confirm({ userId, epoch, seq, resync }: VaultJoined): void {
    if (!this.#active) return;
    this.userId = userId;
    if (!this.#replica) return;
    if (resync || epoch !== this.#replica.epoch) return this.#reset();
    [this.#join, this.#head] = ['done', seq];
    this.#succeed();
    this.#publish();
  }

  #apply(event: VaultEvent): SyncEffect[] {
    // Events before the answer to the join belong to an earlier subscription, and are replayed.
    if (!this.#active || !this.#replica || this.#join !== 'done') return [];
    const next = applyEvent(this.#replica, event);
    if (!next) return this.#fail('join', undefined); // a message was lost; joining again repairs it
    if (next === this.#replica) return [];
    const wasPublished = this.#isConsistent();
    this.#replica = next;
    this.#publish();
    if (event.name === 'vault:deleted') this.end(new VaultcastError('VAULT_DELETED', 'The vault was deleted'));
    return wasPublished ? [{ type: 'applied', event }] : [];
  }

  #fail(step: 'list' | 'join', error: VaultcastError | undefined): SyncEffect[] {
    this.error = error;
    if (error && isFinal(error)) {
      this.end(error);
      return [];
    }
    if (step === 'list') this.#list = 'waiting';
    else this.#join = 'waiting';
    return [{ type: 'retry', failures: ++this.#failures, error }];
  }

  #retry(): void {
    if (this.#list === 'waiting') this.#list = 'idle';
    if (this.#join === 'waiting') this.#join = 'idle';
  }

  #succeed(): void {
    [this.error, this.#failures] = [undefined, 0];
  }

  /** Forgets the replica, so that it is listed again. The published state is shown until then. */
  #reset(): void {
    this.#replica = undefined;
    this.#list = this.#join = 'idle';
  }

  #isConsistent(): boolean {
    return this.#replica !== undefined && this.#replica.seq >= this.#consistentAt;
  }

  #publish(): void {
    if (this.#isConsistent()) this.published = this.#replica;
  }
}

/** Whether the service will not change its mind: a refusal other than one of the credential, which a sign-in may renew. */
function isFinal({ code, status, temporary }: VaultcastError): boolean {
  return !temporary && code !== 'UNAUTHORIZED' && status < 500;
}
