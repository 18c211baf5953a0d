// Keeps a vault's sources in sync through the official Socket.IO client. At every moment `sources` is the result of all
// events of the vault up to `seq`; no intermediate state is ever visible. docs/ordering.md explains why this holds.
//
//   const vault = new SyncedVault({ url, vaultId, token: () => token, onChange: (vault) => draw(vault.sources), onEnd: console.log });
//
// In a browser page of your application the session cookie is enough: leave `token` out.
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';

export interface Source {
  id: string;
  title: string;
  fileUrl: string;
  fileKey?: string;
  fileSize?: number;
  mimeType: string;
  vaultId: string;
  createdAt: string;
  updatedAt: string;
}

export type Role = 'owner' | 'contributor' | 'viewer';

/** The fields that every event of a vault carries. */
interface EventBase {
  actor: { userId: string; userName: string; role: Role };
  timestamp: string;
  seq: number;
}
interface MemberEvent extends EventBase {
  member: { userId: string; userName: string; role: Role };
  vaultId: string;
}

/** All events of a vault. A source event carries every field of the source except one of its two timestamps. */
export interface VaultEvents {
  'source:created': (event: EventBase & { source: Omit<Source, 'updatedAt'> }) => void;
  'source:updated': (event: EventBase & { source: Omit<Source, 'createdAt'> }) => void;
  'source:deleted': (event: EventBase & { sourceId: string; vaultId: string }) => void;
  'member:added': (event: MemberEvent) => void;
  'member:updated': (event: MemberEvent) => void;
  'member:removed': (event: MemberEvent) => void;
  'vault:updated': (event: EventBase & { vault: { id: string; name: string; updatedAt: string }; vaultId: string }) => void;
  'vault:deleted': (event: EventBase & { vaultId: string }) => void;
}
interface JoinedPayload {
  vaultId: string;
  role: Role;
  seq: number;
  epoch: string;
  replayed?: number;
  resync?: true;
}
interface ErrorPayload {
  message: string;
  code: string;
  details?: { event?: string; vaultId?: string };
}
interface ServerEvents extends VaultEvents {
  'vault:joined': (joined: JoinedPayload) => void;
  error: (error: ErrorPayload) => void;
}
interface ClientEvents {
  'vault:join': (join: { vaultId: string; since: number; epoch: string }) => void;
}

/** A page of `GET /api/vaults/{id}/sources`. */
interface SourcePage {
  sources: Source[];
  seq: number;
  epoch: string;
  nextCursor?: string;
}

/** The sources after event `seq`. While `seq` is below `consistentAt`, some sources may already be newer than `seq`. */
interface Replica {
  sources: Map<string, Source>;
  seq: number;
  epoch: string;
  consistentAt: number;
}

export interface SyncedVaultOptions {
  url: string;
  vaultId: string;
  token?: () => string;
  /** Called after `sources` and `seq` have changed together. */
  onChange?: (vault: SyncedVault) => void;
  /** Called when no further changes will arrive: `UNAUTHORIZED`, `ACCESS_DENIED`, `vault:deleted`, … */
  onEnd?: (reason: string) => void;
  /** The delay before a failed request is repeated, in milliseconds. */
  retryDelay?: number;
  /** The number of sources in one page of the listing. */
  pageSize?: number;
  socket?: Partial<ManagerOptions & SocketOptions>;
}

/** An error that a retry will not resolve. */
class PermanentError extends Error {}

export class SyncedVault {
  readonly socket: Socket<ServerEvents, ClientEvents>;
  /** The published state: the vault after event `seq`. */
  #published: Replica = { sources: new Map(), seq: -1, epoch: '', consistentAt: 0 };
  /** The state that events are applied to, published or not yet consistent; undefined while the sources are being listed. */
  #replica: Replica | undefined;
  /** Whether a `vault:joined` confirmed that the events that arrive continue the replica. */
  #subscribed = false;
  #listings = 0;
  #waiters: (() => void)[] = [];
  #endReason: string | undefined;
  readonly #options: SyncedVaultOptions;

  constructor(options: SyncedVaultOptions) {
    this.#options = options;
    const { url, token } = options;
    const auth = token && ((send: (auth: object) => void) => send({ token: token() }));
    const socket = (this.socket = io(url, { withCredentials: true, ...(auth && { auth }), ...options.socket }));

    socket.on('connect', () => {
      // After a recovery the service replays the missed events of every joined vault by itself.
      if (!socket.recovered) this.#subscribed = false;
      if (!this.#subscribed) this.#join();
    });
    socket.on('connect_error', ({ message }) => {
      if (message === 'UNAUTHORIZED') this.#end(message);
      else if (!socket.active) this.#retry(() => socket.connect()); // the service answered, so the client does not reconnect
    });
    socket.on('vault:joined', ({ epoch, resync }) => {
      if (resync) void this.#list();
      else this.#subscribed = epoch === this.#replica?.epoch;
    });
    socket.on('error', ({ code, details }) => {
      if (details?.event !== undefined && details.event !== 'vault:join') return; // the answer to another event
      if (code === 'ACCESS_DENIED' || code === 'INVALID_VAULT_ID') this.#end(code);
      else this.#retry(() => this.#join());
    });

    socket.on('source:created', ({ seq, source }) =>
      this.#apply(seq, (sources) => sources.set(source.id, { ...source, updatedAt: source.createdAt })));
    socket.on('source:updated', ({ seq, source }) =>
      this.#apply(seq, (sources) => {
        // An unknown source was deleted while the pages were being read; its `source:deleted` follows.
        const known = sources.get(source.id);
        if (known) sources.set(source.id, { ...source, createdAt: known.createdAt });
      }));
    socket.on('source:deleted', ({ seq, sourceId }) => this.#apply(seq, (sources) => sources.delete(sourceId)));
    // All other events of a vault are numbered in the same sequence, also kinds that a later version adds.
    socket.onAny((event: string, payload?: Partial<EventBase>) => {
      if (!socket.hasListeners(event as keyof VaultEvents) && payload?.seq !== undefined) this.#apply(payload.seq);
    });
    socket.on('vault:deleted', ({ seq }) => {
      this.#apply(seq, (sources) => sources.clear());
      this.#end('vault:deleted');
    });
    void this.#list();
  }

  get sources(): ReadonlyMap<string, Source> { return this.#published.sources; }
  /** The last event that is included in `sources`; -1 before the first listing is complete. */
  get seq(): number { return this.#published.seq; }
  get epoch(): string { return this.#published.epoch; }

  /** Resolves when `sources` includes event `seq`, which may be the number in the answer to a mutation. */
  async waitForSeq(seq: number): Promise<void> {
    while (this.seq < seq) {
      if (this.#endReason !== undefined) throw new Error(this.#endReason);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  close(): void { this.#end('closed'); }

  /** Lists the sources again and joins from the listing's `seq`. A listing that is still under way is discarded. */
  async #list(): Promise<void> {
    const listing = ++this.#listings;
    [this.#replica, this.#subscribed] = [undefined, false];
    const read = await this.#fetchSources().catch((error: unknown) => (error instanceof PermanentError ? error : undefined));
    if (listing !== this.#listings) return;
    if (!read) return this.#retry(() => this.#list());
    if (read instanceof PermanentError) return this.#end(read.message);
    this.#replica = read;
    this.#publish();
    this.#join();
  }

  async #fetchSources(): Promise<Replica> {
    const { url, vaultId, token, pageSize = 500 } = this.#options;
    const headers = token ? { authorization: `Bearer ${token()}` } : {};
    const sources = new Map<string, Source>();
    let first: SourcePage | undefined;
    for (let cursor = ''; ; ) {
      const address = `${url}/api/vaults/${vaultId}/sources?limit=${pageSize}${cursor && `&cursor=${cursor}`}`;
      const response = await fetch(address, { headers, credentials: 'include', signal: AbortSignal.timeout(10_000) });
      if ([400, 401, 403].includes(response.status)) throw new PermanentError(((await response.json()) as ErrorPayload).code);
      if (!response.ok) throw new Error(`cannot list the sources: HTTP ${response.status}`);
      const page = (await response.json()) as SourcePage;
      first ??= page;
      if (page.epoch !== first.epoch || page.seq < first.seq) throw new Error('a backup was restored between two pages');
      for (const source of page.sources) sources.set(source.id, source);
      if (page.nextCursor === undefined) return { sources, seq: first.seq, epoch: first.epoch, consistentAt: page.seq };
      cursor = page.nextCursor;
    }
  }

  /** Requests all events after the replica. Needs both a listing and a connection; the later of the two calls it. */
  #join(): void {
    if (!this.#replica || !this.socket.connected) return;
    const { seq: since, epoch } = this.#replica;
    this.socket.emit('vault:join', { vaultId: this.#options.vaultId, since, epoch });
  }

  #apply(seq: number, change?: (sources: Map<string, Source>) => void): void {
    const replica = this.#replica;
    if (!replica || !this.#subscribed) return; // replayed after the next join
    if (seq <= replica.seq) return; // already applied
    if (seq > replica.seq + 1) {
      // A gap never happens; if it did, joining again would repair it.
      this.#subscribed = false;
      return this.#join();
    }
    change?.(replica.sources);
    replica.seq = seq;
    this.#publish();
  }

  #publish(): void {
    if (!this.#replica || this.#replica.seq < this.#replica.consistentAt) return;
    this.#published = this.#replica;
    this.#wake();
    this.#options.onChange?.(this);
  }

  #wake(): void { for (const resolve of this.#waiters.splice(0)) resolve(); }

  #retry(action: () => unknown): void { setTimeout(() => this.#endReason ?? action(), this.#options.retryDelay ?? 1000); }

  #end(reason: string): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    this.#listings += 1;
    this.#replica = undefined;
    this.socket.disconnect();
    this.#wake();
    this.#options.onEnd?.(reason);
  }
}
