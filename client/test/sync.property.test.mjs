// The sync machine against a simulated service, in random orders of everything that may happen: it publishes only states that existed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { VaultSync } from '../dist/sync.js';
import { SimulatedListing, SimulatedService, USER } from './simulated-service.mjs';

/** The machine, its listings under way, and what it has published. */
class SimulatedClient {
  sync = new VaultSync();
  service = new SimulatedService();
  listings = [];
  mustRetry = false;
  isStarted = false;
  /** By epoch: the last published number, and the last delivered event. */
  #published = new Map();
  #applied = new Map();

  input(input) {
    if (!input) return;
    for (const effect of this.sync.handle(input)) this.#perform(effect);
    this.#check();
  }

  #perform(effect) {
    const { service } = this;
    if (effect.type === 'list') this.listings.push(new SimulatedListing(service));
    if (effect.type === 'join' || effect.type === 'leave') {
      assert(service.toClient, 'nothing is sent without a connection');
      service.toService.push(effect);
    }
    if (effect.type === 'retry') this.mustRetry = true;
    if (effect.type === 'applied') {
      const { epoch, seq } = this.sync.published;
      assert(effect.event.payload.seq === seq, 'an event is delivered with its state');
      assert(seq > (this.#applied.get(epoch) ?? 0), `event ${seq} of ${epoch} is delivered twice`);
      this.#applied.set(epoch, seq);
    }
  }

  #check() {
    const { published } = this.sync;
    if (!published) return;
    const { epoch, seq, ...state } = published;
    assert(seq >= (this.#published.get(epoch) ?? 0), `${seq} was published after ${this.#published.get(epoch)}`);
    this.#published.set(epoch, seq);
    assert.deepEqual(state, this.service.histories.get(epoch).states[seq], `the state after event ${seq} of ${epoch}`);
  }

  readPage(choice) {
    if (this.listings.length === 0) return;
    const listing = this.listings[choice % this.listings.length];
    const result = listing.read(choice >> 2);
    if (!result) return;
    this.listings.splice(this.listings.indexOf(listing), 1);
    this.input(result);
  }

  retry() {
    this.mustRetry = false;
    this.input({ type: 'retry' });
  }

  toggle() {
    this.isStarted = !this.isStarted;
    this.input({ type: this.isStarted ? 'start' : 'stop' });
  }

  /** Lets everything under way come to its end. */
  settle() {
    if (!this.isStarted) this.toggle();
    this.input(this.service.connect(true));
    const { service } = this;
    this.input({ type: 'check' });
    for (let step = 0; service.toService.length + service.toClient.length + this.listings.length > 0 || !this.sync.isLive; step += 1) {
      assert(step < 1000, 'the client comes to rest');
      service.receive();
      while (service.toClient.length > 0) this.input(service.toClient.shift());
      this.readPage(0);
      if (this.mustRetry) this.retry();
    }
    const { published, userId } = this.sync;
    assert.deepEqual([published.epoch, published.seq, userId], [service.epoch, service.head, USER]);
  }
}

/** Everything that may happen, by frequency. */
const STEPS = [
  [8, (client, choice) => client.service.mutate(choice)],
  [6, (client) => client.input(client.service.toClient?.shift())],
  [5, (client) => client.service.receive()],
  [5, (client, choice) => client.readPage(choice)],
  [3, (client, choice) => client.input(client.service.connect(choice % 3 > 0))],
  [2, (client) => client.input(client.service.disconnect())],
  [2, (client) => client.mustRetry && client.retry()],
  [1, (client) => client.service.trim()],
  [1, (client, choice) => client.input(client.service.restore(choice))],
  [1, (client) => client.toggle()],
  // The Socket.IO client sends a buffered join again.
  [1, ({ service }) => service.toService.push(...service.toService.slice(-1))],
  // A message is lost although the connection is not, which a check repairs.
  [2, (client) => client.service.toClient?.shift()],
  [2, (client) => client.input({ type: 'check' })],
  [1, (client) => client.input({ type: 'refused', error: { temporary: true } })],
].flatMap(([weight, step]) => Array(weight).fill(step));

test('the published states are the vault after some event, and the last one is the present', () => {
  const steps = fc.array(fc.tuple(fc.nat(STEPS.length - 1), fc.nat(1000)), { maxLength: 150, size: 'max' });
  const property = fc.property(steps, (sequence) => {
    const client = new SimulatedClient();
    client.toggle();
    for (const [step, choice] of sequence) STEPS[step](client, choice);
    client.settle();
  });
  fc.assert(property, { numRuns: Number(process.env.RUNS ?? 2000), includeErrorInReport: true });
});

test('the service ends the subscription of a vault that is stopped while it is listed again or waits for a join', () => {
  const input = (sync, ...inputs) => inputs.flatMap((each) => sync.handle(each));
  const joined = { userId: USER, role: 'owner', seq: 0, epoch: 'e' };
  const listed = { type: 'listed', state: { seq: 0, epoch: 'e', name: '', sources: [], members: [] }, consistentAt: 0 };
  const reasons = [
    { type: 'joined', joined: { ...joined, resync: true } },
    { type: 'event', event: { name: 'vault:updated', payload: { seq: 2 } } }, // event 1 is missing
  ];
  for (const reason of reasons) {
    const sync = new VaultSync();
    input(sync, { type: 'start' }, { type: 'connected', recovered: false }, listed, { type: 'joined', joined }, reason);
    assert.deepEqual(input(sync, { type: 'stop' }), [{ type: 'leave' }], reason.type);
  }
});
