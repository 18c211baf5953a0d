// A vault's sources, kept exactly in step by the official Socket.IO client: at every moment `sources` is what the vault's
// events up to `seq` make, and nothing in between is ever to be seen. Why that is so stands in docs/ordering.md.
//
//   const copy = new InStep({ url, vault, token: () => token, changed: (copy) => draw(copy.sources), ended: console.log });
//
// In a browser of your application its session cookie is enough: leave `token` out.
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

/** What every event of a vault carries. */
interface Told {
  actor: { userId: string; userName: string; role: Role };
  timestamp: string;
  seq: number;
}
interface AboutMember extends Told {
  member: { userId: string; userName: string; role: Role };
  vaultId: string;
}

/** Everything that happens in a vault. An event of a source has all of its fields but the other one of its two times. */
export interface VaultEvents {
  'source:created': (told: Told & { source: Omit<Source, 'updatedAt'> }) => void;
  'source:updated': (told: Told & { source: Omit<Source, 'createdAt'> }) => void;
  'source:deleted': (told: Told & { sourceId: string; vaultId: string }) => void;
  'member:added': (told: AboutMember) => void;
  'member:updated': (told: AboutMember) => void;
  'member:removed': (told: AboutMember) => void;
  'vault:updated': (told: Told & { vault: { id: string; name: string; updatedAt: string }; vaultId: string }) => void;
  'vault:deleted': (told: Told & { vaultId: string }) => void;
}
interface Joined {
  vaultId: string;
  role: Role;
  seq: number;
  epoch: string;
  replayed?: number;
  resync?: true;
}
interface Problem {
  message: string;
  code: string;
  details?: { event?: string; vaultId?: string };
}
interface FromServer extends VaultEvents {
  'vault:joined': (joined: Joined) => void;
  error: (problem: Problem) => void;
}
interface FromClient {
  'vault:join': (join: { vaultId: string; since: number; epoch: string }) => void;
}

/** A page of `GET /api/vaults/{id}/sources`. */
interface Page {
  sources: Source[];
  seq: number;
  epoch: string;
  nextCursor?: string;
}

/** The sources as they are after the event `seq`, once that is `wholeAt` or more: before that, some are already newer. */
interface Copy {
  sources: Map<string, Source>;
  seq: number;
  epoch: string;
  wholeAt: number;
}

export interface Options {
  url: string;
  vault: string;
  token?: () => string;
  /** `sources` and `seq` have changed, together. */
  changed?: (copy: InStep) => void;
  /** Nothing more comes: `UNAUTHORIZED`, `ACCESS_DENIED`, `vault:deleted`, … */
  ended?: (why: string) => void;
  /** How long to wait after a failure, in milliseconds. */
  pause?: number;
  /** How many sources to list at a time. */
  pageSize?: number;
  socket?: Partial<ManagerOptions & SocketOptions>;
}

/** What trying again will not change. */
class Refusal extends Error {}

export class InStep {
  readonly socket: Socket<FromServer, FromClient>;
  /** What there is to see: of the vault as it was after the event `seq`. */
  #shown: Copy = { sources: new Map(), seq: -1, epoch: '', wholeAt: 0 };
  /** What events are applied to: what is shown, or what soon will be; nothing while the sources are being listed. */
  #copy: Copy | undefined;
  /** A `vault:joined` said that what comes follows the copy. */
  #following = false;
  #listings = 0;
  #waiting: (() => void)[] = [];
  #ended: string | undefined;
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
    const { url, token } = options;
    const auth = token && ((give: (auth: object) => void) => give({ token: token() }));
    const socket = (this.socket = io(url, { withCredentials: true, ...(auth && { auth }), ...options.socket }));

    socket.on('connect', () => {
      // Who was recovered is told what was missed, in the rooms that the service knows of.
      if (!socket.recovered) this.#following = false;
      if (!this.#following) this.#join();
    });
    socket.on('connect_error', ({ message }) => {
      if (message === 'UNAUTHORIZED') this.#end(message);
      else if (!socket.active) this.#later(() => socket.connect()); // it was answered, so the client would stay away
    });
    socket.on('vault:joined', ({ epoch, resync }) => {
      if (resync) void this.#list();
      else this.#following = epoch === this.#copy?.epoch;
    });
    socket.on('error', ({ code, details }) => {
      if (details?.event !== undefined && details.event !== 'vault:join') return; // about something else that was asked
      if (code === 'ACCESS_DENIED' || code === 'INVALID_VAULT_ID') this.#end(code);
      else this.#later(() => this.#join());
    });

    socket.on('source:created', ({ seq, source }) =>
      this.#take(seq, (sources) => sources.set(source.id, { ...source, updatedAt: source.createdAt })));
    socket.on('source:updated', ({ seq, source }) =>
      this.#take(seq, (sources) => {
        // One that is not there was deleted while the pages were read: the event that says so is about to come.
        const known = sources.get(source.id);
        if (known) sources.set(source.id, { ...source, createdAt: known.createdAt });
      }));
    socket.on('source:deleted', ({ seq, sourceId }) => this.#take(seq, (sources) => sources.delete(sourceId)));
    // The other events of a vault have their numbers in the same order.
    for (const event of ['member:added', 'member:updated', 'member:removed', 'vault:updated'] as const) {
      socket.on(event, ({ seq }: Told) => this.#take(seq));
    }
    socket.on('vault:deleted', ({ seq }) => {
      this.#take(seq, (sources) => sources.clear());
      this.#end('vault:deleted');
    });
    void this.#list();
  }

  get sources(): ReadonlyMap<string, Source> { return this.#shown.sources; }
  /** The last event that is in `sources`; -1 before there is a list. */
  get seq(): number { return this.#shown.seq; }
  get epoch(): string { return this.#shown.epoch; }

  /** Resolves when a change that was answered with this number is in `sources`. */
  async reached(seq: number): Promise<void> {
    while (this.seq < seq) {
      if (this.#ended !== undefined) throw new Error(this.#ended);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  close(): void { this.#end('closed'); }

  /** Begins anew: lists the sources, and joins from there. A listing that was under way is for nothing. */
  async #list(): Promise<void> {
    const listing = ++this.#listings;
    [this.#copy, this.#following] = [undefined, false];
    const read = await this.#read().catch((error: unknown) => (error instanceof Refusal ? error : undefined));
    if (listing !== this.#listings) return;
    if (!read) return this.#later(() => this.#list());
    if (read instanceof Refusal) return this.#end(read.message);
    this.#copy = read;
    this.#show();
    this.#join();
  }

  async #read(): Promise<Copy> {
    const { url, vault, token, pageSize = 500 } = this.#options;
    const headers = token ? { authorization: `Bearer ${token()}` } : {};
    const sources = new Map<string, Source>();
    let first: Page | undefined;
    for (let cursor = ''; ; ) {
      const address = `${url}/api/vaults/${vault}/sources?limit=${pageSize}${cursor && `&cursor=${cursor}`}`;
      const answer = await fetch(address, { headers, credentials: 'include', signal: AbortSignal.timeout(10_000) });
      if ([400, 401, 403].includes(answer.status)) throw new Refusal(((await answer.json()) as Problem).code);
      if (!answer.ok) throw new Error(`the sources cannot be listed: ${answer.status}`);
      const page = (await answer.json()) as Page;
      first ??= page;
      if (page.epoch !== first.epoch || page.seq < first.seq) throw new Error('the database was put back meanwhile');
      for (const source of page.sources) sources.set(source.id, source);
      if (page.nextCursor === undefined) return { sources, seq: first.seq, epoch: first.epoch, wholeAt: page.seq };
      cursor = page.nextCursor;
    }
  }

  /** Asks for everything after the copy; whichever comes last of the listing and the connection does. */
  #join(): void {
    if (!this.#copy || !this.socket.connected) return;
    const { seq: since, epoch } = this.#copy;
    this.socket.emit('vault:join', { vaultId: this.#options.vault, since, epoch });
  }

  #take(seq: number, apply?: (sources: Map<string, Source>) => void): void {
    const copy = this.#copy;
    if (!copy || !this.#following) return; // the join that follows brings it again
    if (seq <= copy.seq) return; // it is in the copy already
    if (seq > copy.seq + 1) {
      // Must never happen; but to ask again is all that it takes.
      this.#following = false;
      return this.#join();
    }
    apply?.(copy.sources);
    copy.seq = seq;
    this.#show();
  }

  #show(): void {
    if (!this.#copy || this.#copy.seq < this.#copy.wholeAt) return;
    this.#shown = this.#copy;
    this.#wake();
    this.#options.changed?.(this);
  }

  #wake(): void { for (const resolve of this.#waiting.splice(0)) resolve(); }

  #later(act: () => unknown): void { setTimeout(() => this.#ended ?? act(), this.#options.pause ?? 1000); }

  #end(why: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.#listings += 1;
    this.#copy = undefined;
    this.socket.disconnect();
    this.#wake();
    this.#options.ended?.(why);
  }
}
