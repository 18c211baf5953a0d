// A vault of a simulated service: its journal, what a listing of several pages reads, and one connection with messages under way. The
// state after each event is computed by its own, simpler rules.

export const USER = 'user0';
const ACTOR = { userId: USER, userName: 'User 0', role: 'owner' };
const PAGE_SIZE = 2;

export class SimulatedService {
  epoch = 'epoch0';
  /** By epoch: the events, and the state after each of them. */
  histories = new Map([['epoch0', { events: [], states: [EMPTY] }]]);
  /** Events up to this one are no longer kept. */
  trimmed = 0;
  /** The messages to the client that it has not received yet; undefined while it is disconnected. */
  toClient;
  /** The joins and leaves of the client that the service has not received yet. */
  toService = [];
  /** The last event that was sent to the subscribed client; undefined while it is not subscribed. */
  lastSent;
  /** The subscription of a lost connection: the last event that the client received. */
  recoverable;
  #names = 0;

  get history() {
    return this.histories.get(this.epoch);
  }

  get head() {
    return this.history.events.length;
  }

  get state() {
    return this.history.states[this.head];
  }

  /** Appends an event that `choice` selects among those that the state allows. */
  mutate(choice) {
    const { sources, members } = this.state;
    const seq = this.head + 1;
    const name = `${this.epoch}.${(this.#names += 1)}`;
    const [oldSource, oldMember] = [sources[choice % Math.max(sources.length, 1)], members[1 + (choice % Math.max(members.length - 1, 1))]];
    const events = [['source:created', { source: { id: name, title: name, createdAt: name } }]];
    if (oldSource) {
      const { id } = oldSource;
      events.push(['source:updated', { source: { id, title: name, updatedAt: name } }], ['source:deleted', { sourceId: id }]);
    }
    events.push(['member:added', { member: { userId: name, userName: name, role: 'viewer' } }]);
    if (oldMember) events.push(['member:updated', { member: { ...oldMember, role: name } }], ['member:removed', { member: oldMember }]);
    events.push(['vault:updated', { vault: { name } }], ['vault:painted', {}]);
    const [event, payload] = events[choice % events.length];
    this.#append({ name: event, payload: { ...payload, actor: ACTOR, seq } });
  }

  #append(event) {
    this.history.states.push(after(this.state, event));
    this.history.events.push(event);
    this.#send();
  }

  /** Sends the subscribed client what it has not been sent. */
  #send() {
    while (this.toClient && this.lastSent !== undefined && this.lastSent < this.head) {
      this.toClient.push({ type: 'event', event: this.history.events[this.lastSent++] });
    }
  }

  /** Receives the next request of the client. */
  receive() {
    const request = this.toService.shift();
    if (!request) return;
    if (request.type === 'leave') return void (this.lastSent = undefined);
    const { since, epoch } = request;
    const joined = { userId: USER, role: 'owner', seq: this.head, epoch: this.epoch };
    const resync = epoch !== this.epoch || since > this.head || since < this.trimmed;
    this.toClient.push({ type: 'joined', joined: resync ? { ...joined, resync } : joined });
    this.lastSent = resync ? this.head : since;
    this.#send();
  }

  connect(canRecover) {
    if (this.toClient) return undefined;
    this.toClient = [];
    const recovered = canRecover && this.recoverable !== undefined && this.recoverable.epoch === this.epoch && this.recoverable.seq >= this.trimmed;
    this.lastSent = recovered ? this.recoverable.seq : undefined;
    this.#send();
    return { type: 'connected', recovered };
  }

  /** Loses the connection and everything under way. */
  disconnect() {
    if (!this.toClient) return undefined;
    const lost = this.toClient.find(({ type }) => type === 'event');
    const seq = lost ? lost.event.payload.seq - 1 : this.lastSent;
    // An undelivered answer to a join is lost; the service keeps the subscription.
    this.recoverable = this.lastSent === undefined ? undefined : { seq, epoch: this.epoch };
    [this.toClient, this.toService, this.lastSent] = [undefined, [], undefined];
    return { type: 'disconnected' };
  }

  trim() {
    this.trimmed = this.head;
  }

  /** Restores a backup of an earlier state, which begins another history. The connection is lost. */
  restore(seq) {
    const lost = this.disconnect();
    const { events, states } = this.history;
    const kept = seq % (this.head + 1);
    this.epoch = `epoch${this.histories.size}`;
    this.histories.set(this.epoch, { events: events.slice(0, kept), states: states.slice(0, kept + 1) });
    this.trimmed = Math.min(this.trimmed, kept);
    return lost;
  }
}

const EMPTY = { name: '', sources: [], members: [{ userId: USER, userName: 'User 0', role: 'owner' }] };

function after({ name, sources, members }, { name: event, payload: { source, sourceId, member, vault } }) {
  [sources, members] = [[...sources], [...members]];
  const at = sources.findIndex(({ id }) => id === (source?.id ?? sourceId));
  const memberAt = members.findIndex(({ userId }) => userId === member?.userId);
  if (event === 'source:created') sources.unshift({ ...source, updatedAt: source.createdAt });
  if (event === 'source:updated') sources[at] = { ...source, createdAt: sources[at].createdAt };
  if (event === 'source:deleted') sources.splice(at, 1);
  if (event === 'member:added') members.push(member);
  if (event === 'member:updated') members[memberAt] = member;
  if (event === 'member:removed') members.splice(memberAt, 1);
  if (event === 'vault:updated') ({ name } = vault);
  return { name, sources, members };
}

/** A listing of the simulated vault whose pages are read one at a time, so that anything may happen in between. */
export class SimulatedListing {
  #service;
  #pages = [];
  #parts = { sources: [], members: [] };
  #cursors = { sources: undefined, members: undefined };
  #open = ['sources', 'members'];

  constructor(service) {
    this.#service = service;
  }

  /** Reads a page that `choice` selects. Returns the input for the client after the last one. */
  read(choice) {
    const { state, head, epoch } = this.#service;
    if (this.#open.length > 0) {
      const part = this.#open[choice % this.#open.length];
      this.#pages.push({ seq: head, epoch });
      if (!this.#readPage(part, state[part])) this.#open.splice(this.#open.indexOf(part), 1);
      return undefined;
    }
    if (this.#pages.some((page) => page.epoch !== this.#pages[0].epoch)) return { type: 'list-failed', error: { temporary: true } };
    const seqs = [head, ...this.#pages.map(({ seq }) => seq)];
    const listed = { seq: Math.min(...seqs), epoch: this.#pages[0].epoch, name: state.name, ...this.#parts };
    return { type: 'listed', state: listed, consistentAt: Math.max(...seqs) };
  }

  /** Reads the rows after the last page, in the order of their creation. Returns whether there may be more. */
  #readPage(part, rows) {
    const order = part === 'sources' ? creationOrder(rows, 'id', -1) : creationOrder(rows, 'userId', 1);
    const cursor = this.#cursors[part];
    const page = order.filter(({ position }) => cursor === undefined || position > cursor).slice(0, PAGE_SIZE);
    this.#parts[part] = [...this.#parts[part], ...page.map(({ row }) => row)];
    this.#cursors[part] = page.at(-1)?.position ?? cursor;
    return page.length === PAGE_SIZE;
  }
}

/** Returns the rows with their position in the order of creation, or its reverse. Names are numbered by creation. */
function creationOrder(rows, key, direction) {
  const numberOf = (name) => Number(name.split('.')[1] ?? 0);
  return rows.map((row) => ({ row, position: direction * numberOf(row[key]) })).sort((a, b) => a.position - b.position);
}
