// What a service and one client sent to each other, as a proxy between them sees it: the joins and CONNECT packets of the client, and
// the events of the service. It distinguishes events that the service sent again because the client requested it from events that
// the service repeated by itself. The tap of each TCP connection decodes HTTP polling and WebSocket frames.

import { ConnectionTap } from './wire-tap.mjs';

/** The packet with which a client begins to use its WebSocket. */
const UPGRADE = '5';

export class WireLog {
  /** `{ vault, seq }` of each event that the service sent again although the client had not requested it. */
  unrequested = [];
  /** The number of CONNECT packets that the client sent. */
  connects = 0;
  /** The number of upgrades to WebSocket that the client completed. */
  upgrades = 0;
  /** The number of joins of a vault that the client had already joined in the same session. */
  repeatedJoins = 0;
  /** The number of `vault:joined` events that the service sent. */
  joined = 0;
  /** The numbers of the events sent, by vault id. */
  sent = new Map();
  /** The Engine.IO sessions by sid. */
  #sessions = new Map();
  /** What the service has sent to each Socket.IO connection, by its pid. */
  #deliveries = new Map();
  /** The sessions that sent an event, by vault and seq. */
  #senders = new Map();

  /** Returns the tap of a new TCP connection. */
  tap() {
    return new ConnectionTap(this);
  }

  /** Records an Engine.IO packet that the client sent in the session `sid`. */
  recordClientPacket(sid, packet) {
    const session = this.#session(sid);
    if (packet === UPGRADE) this.upgrades += 1;
    const { type, data } = readPacket(packet);
    if (type === 'CONNECT') {
      this.connects += 1;
      session.claim = data;
      session.history.push(`CONNECT after ${session.claim.offset}`);
    } else if (type === 'EVENT') {
      const [event, join] = data;
      if (event !== 'vault:join') return;
      const { vaultId: vault, since } = typeof join === 'string' ? { vaultId: join } : (join ?? {});
      if (session.joinedVaults.has(vault)) this.repeatedJoins += 1;
      session.joinedVaults.add(vault);
      session.joins.push({ vault, since });
      session.history.push(`join of ${vault} since ${since}`);
    }
  }

  /** Records an Engine.IO packet that the service sent in the session `sid`. */
  recordServerPacket(sid, packet) {
    const session = this.#session(sid);
    const { type, data } = readPacket(packet);
    if (type === 'CONNECT') this.#connect(session, data);
    else if (type === 'EVENT') this.#deliver(session, ...data);
  }

  /** A recovered client requests everything after its offset; any other connection begins with nothing. */
  #connect(session, { sid, pid = sid }) {
    const former = session.claim?.pid === pid ? this.#deliveries.get(pid) : undefined;
    const index = former ? former.packets.findIndex(({ offset }) => offset !== undefined && offset === session.claim.offset) : -1;
    // A former session of the same connection may still send, but the client receives nothing from it any more.
    session.delivery = new Delivery(former?.packets.slice(0, index + 1));
    session.joins.unshift(...(former?.session.joins ?? []));
    if (former) former.session.delivery = undefined;
    session.delivery.session = session;
    this.#deliveries.set(pid, session.delivery);
    session.history.push(former ? 'recovered' : 'not recovered');
  }

  #deliver(session, event, payload, offset) {
    if (event === 'vault:joined') this.joined += 1;
    const { delivery } = session;
    if (!delivery) return;
    const vault = payload?.vaultId ?? payload?.source?.vaultId;
    if (event === 'vault:joined') {
      requestReplay(session, payload);
      delivery.packets.push({ offset });
    } else if (payload?.seq !== undefined && vault !== undefined) {
      const { seq } = payload;
      if (delivery.has(vault, seq)) this.unrequested.push({ vault, seq });
      else delivery.packets.push({ vault, seq, offset });
      this.#sentIn(vault).add(seq);
      const key = `${vault} ${seq}`;
      this.#senders.set(key, [...(this.#senders.get(key) ?? []), session]);
    }
  }

  #sentIn(vault) {
    if (!this.sent.has(vault)) this.sent.set(vault, new Set());
    return this.sent.get(vault);
  }

  #session(sid) {
    if (!this.#sessions.has(sid)) this.#sessions.set(sid, { sid, joinedVaults: new Set(), joins: [], history: [] });
    return this.#sessions.get(sid);
  }

  /** Describes in which sessions an event was sent, and what the client requested in them. */
  describe(vault, seq) {
    const isRelevant = (step) => !step.startsWith('join of') || step.includes(vault);
    const describeSession = ({ sid, history }) => `${sid.slice(0, 6)} (${history.filter(isRelevant).join(', ')})`;
    const times = this.#senders.get(`${vault} ${seq}`) ?? [];
    return [...new Set(times)].map((session) => `${times.filter((other) => other === session).length} times in ${describeSession(session)}`).join(' and ');
  }
}

/** What the service has sent to one Socket.IO connection and the client has not requested again. */
class Delivery {
  constructor(packets = []) {
    this.packets = packets;
  }

  has(vault, seq) {
    return this.packets.findLast((packet) => packet.vault === vault)?.seq >= seq;
  }
}

/** A join with `since` requests the events after it, also those that were sent before. */
function requestReplay({ delivery, joins }, { vaultId, seq, replayed }) {
  const index = joins.findIndex(({ vault, since }) => vault === vaultId && (replayed === undefined || since === seq - replayed));
  if (index === -1) return;
  const [{ since }] = joins.splice(index, 1);
  if (replayed !== undefined) delivery.packets = delivery.packets.filter((packet) => packet.vault !== vaultId || packet.seq <= since);
}

/** Reads a CONNECT or EVENT packet of the main namespace. Other packets, and malformed ones that a test sends, have no type. */
function readPacket(packet) {
  const isConnect = /^40({|$)/.test(packet);
  const [, event] = /^42\d*(\[.*)$/s.exec(packet) ?? [];
  try {
    if (isConnect) return { type: 'CONNECT', data: JSON.parse(packet.slice(2) || '{}') };
    if (event) return { type: 'EVENT', data: JSON.parse(event) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return {};
}
