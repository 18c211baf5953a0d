// The connection that all vaults of a client share.
import { io, type Socket } from 'socket.io-client';
import { Emitter, type Unsubscribe } from './emitter.js';
import type { ErrorCode, SocketError, VaultJoined } from './generated.js';
import { type Answer, Http } from './http.js';
import type { VaultEvent } from './reducer.js';
import { backoff } from './retry.js';
import { Tokens } from './tokens.js';
import { type ConnectionEvents, type ConnectionState, type ConnectOptions, VaultcastError } from './types.js';
import { type Link, SyncedVault } from './vault.js';

/** Returns a client of the service. It connects when the first vault is subscribed to. */
export function connect(options: ConnectOptions = {}): VaultcastClient {
  return new VaultcastClient(options);
}

/** A connection to the service, shared by all vaults. */
export class VaultcastClient {
  readonly #options: ConnectOptions;
  readonly #tokens: Tokens;
  readonly #link: Link;
  /** All vaults that the application holds, so that one id is one object. */
  readonly #known = new Map<string, WeakRef<SyncedVault>>();
  /** Removes the ids of vaults that were collected, unless a new object has taken their place. */
  readonly #collected = new FinalizationRegistry<string>((id) => this.#known.get(id)?.deref() ?? this.#known.delete(id));
  /** The vaults with a state, by id. */
  readonly #vaults = new Map<string, SyncedVault>();
  readonly #emitter = new Emitter<ConnectionEvents>();
  #socket: Socket | undefined;
  #state: ConnectionState = 'connecting';
  /** The attempts since the last connection. */
  #attempts = 0;
  /** The token of the last CONNECT. */
  #sentToken: string | undefined;
  /** Whether the token was renewed since the last connection. */
  #isRenewed = false;
  /** Starts a connection, or gives up waiting for one. */
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @internal Use {@link connect}. */
  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#tokens = new Tokens(options.auth);
    const { retryDelay = 500, retryFor = 60_000, pageSize = 500, url = '', basePath = '' } = options;
    const client = this;
    this.#link = {
      http: new Http(withoutSlash(url) + withoutSlash(basePath.replace(/^\/*(?=.)/, '/')), this.#tokens, pageSize),
      options: { retryDelay, retryFor },
      get state() {
        return client.#state;
      },
      emit: (event, payload) => this.#socket?.emit(event, payload),
      retain: (vault) => this.#retain(vault),
      release: (vault) => void this.#vaults.delete(vault.id),
      refused: (error) => this.#refuse(error),
    };
  }

  /** The state of the connection. */
  get state(): ConnectionState {
    return this.#state;
  }

  /** The Socket.IO socket; undefined before the first vault is subscribed to. */
  get socket(): Socket | undefined {
    return this.#socket;
  }

  /** Returns the vault: the same object for the same id. It is joined while it has subscribers. */
  vault(id: string): SyncedVault {
    let vault = this.#known.get(id)?.deref();
    if (!vault) {
      vault = new SyncedVault(id, this.#link);
      this.#known.set(id, new WeakRef(vault));
      this.#collected.register(vault, id);
      if (this.#state === 'closed') vault.end(closedError());
    }
    return vault;
  }

  /**
   * Sends a request to another route of the service, such as `GET /api/vaults`, with the credential of the client. `basePath` is put before the path. It is not repeated.
   * Rejects with a {@link VaultcastError}. `seq` is the number of the mutation's event, 0 without one.
   */
  request<Body>(method: string, path: string, body?: object, idempotencyKey?: string): Promise<Answer<Body>> {
    return this.#link.http.send<Body>(method, path, body, idempotencyKey);
  }

  /** Calls `handler` for an event of the connection. */
  on<Name extends keyof ConnectionEvents>(name: Name, handler: (argument: ConnectionEvents[Name]) => void): Unsubscribe {
    return this.#emitter.on(name, handler);
  }

  /**
   * Tries again at once: after a sign-in when the state is `unauthorized`, when the network is back, or when the user has become a member
   * of a vault that has ended.
   */
  connect(): void {
    const socket = this.#socket;
    if (this.#state === 'closed' || !socket) return;
    this.#isRenewed = false;
    if (this.#state === 'unauthorized') this.#setState(socket.connected ? 'connected' : 'reconnecting');
    for (const vault of this.#vaults.values()) vault.handle({ type: 'restart' });
    const isOpening = socket.active && ['opening', 'open'].includes(socket.io.engine?.readyState);
    if (socket.connected || isOpening) return;
    socket.disconnect(); // the Socket.IO client no longer waits for its next attempt
    this.#attempt();
    void this.#start();
  }

  /** Closes the connection and ends all vaults, for good. Changes in progress are rejected with `CLOSED`. */
  close(): void {
    if (this.#state === 'closed') return;
    this.#setState('closed');
    clearTimeout(this.#timer);
    this.#link.http.close();
    this.#socket?.disconnect();
    for (const vault of this.#known.values()) vault.deref()?.end(closedError());
  }

  /** Connects for the first vault. */
  #retain(vault: SyncedVault): void {
    if (this.#vaults.has(vault.id)) return; // it was about to be left
    this.#vaults.set(vault.id, vault);
    if (this.#socket?.connected) vault.handle({ type: 'connected', recovered: false });
    if (this.#socket) return;
    this.#socket = this.#createSocket();
    void this.#start();
  }

  #createSocket(): Socket {
    const [origin, prefix] = splitUrl(this.#options.url);
    const socket = io(origin, {
      path: `${prefix}/socket.io/`,
      withCredentials: true,
      forceNew: true,
      ...this.#options.socket,
      autoConnect: false,
      auth: (send) => send({ token: (this.#sentToken = this.#tokens.current) }),
    });
    socket.on('connect', () => this.#connected(socket));
    socket.on('disconnect', (reason) => this.#disconnected(reason));
    socket.on('connect_error', ({ message }) => this.#failed(message));
    socket.io.on('reconnect_attempt', () => this.#attempt());
    socket.io.on('open', () => this.#expectConnect(socket));
    socket.io.on('ping', () => this.#checkPolling(socket));
    socket.onAny((name: string, payload: unknown) => this.#receive(name, payload));
    return socket;
  }

  /** Connects, with the token of the callback. Manual, because the Socket.IO client does not repeat what the service has refused. */
  async #start(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      await this.#tokens.get();
    } catch (error) {
      return this.#startLater(new VaultcastError('NETWORK_ERROR', String(error), { temporary: true }));
    }
    if (this.#state !== 'closed') this.#socket?.connect();
  }

  #startLater(error: VaultcastError): void {
    if (this.#state === 'closed') return;
    this.#report(error);
    this.#setState(this.#state === 'connecting' ? 'connecting' : 'reconnecting');
    clearTimeout(this.#timer);
    const restart = () => {
      this.#attempt();
      void this.#start();
    };
    this.#timer = setTimeout(restart, backoff(this.#options.retryDelay ?? 500, this.#attempts + 1));
  }

  // A browser repeats a poll by itself when its connection breaks. The messages in the lost answer are gone then, but the connection of
  // the Socket.IO client continues. The next two functions repair what such a loss causes.

  /** Opens another connection if the answer to the CONNECT does not arrive. */
  #expectConnect({ io }: Socket): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => io.engine.close(), this.#options.socket?.timeout || 20_000);
  }

  /** Requests events that may be lost, with each heartbeat of a polling transport. */
  #checkPolling({ io }: Socket): void {
    if (io.engine.transport.name !== 'polling') return;
    for (const vault of this.#vaults.values()) vault.handle({ type: 'check' });
  }

  #connected(socket: Socket): void {
    clearTimeout(this.#timer);
    const attempts = this.#attempts;
    [this.#attempts, this.#isRenewed] = [0, false];
    this.#setState('connected');
    for (const vault of this.#vaults.values()) vault.handle({ type: 'connected', recovered: socket.recovered });
    this.#emit('connect', undefined);
    if (attempts > 0) this.#emit('reconnect', attempts);
  }

  #disconnected(reason: string): void {
    clearTimeout(this.#timer);
    if (this.#state !== 'closed') this.#setState('reconnecting');
    for (const vault of this.#vaults.values()) vault.handle({ type: 'disconnected' });
    this.#emit('disconnect', reason);
    // After `io server disconnect` the Socket.IO client does not reconnect by itself.
    if (!this.#socket?.active) this.#startLater(new VaultcastError('UNAVAILABLE', reason, { temporary: true }));
  }

  #failed(message: string): void {
    clearTimeout(this.#timer);
    const isRefusal = !this.#socket?.active;
    if (!isRefusal) return this.#report(new VaultcastError('NETWORK_ERROR', message, { temporary: true }));
    if (message === 'UNAUTHORIZED') return void this.#renew();
    this.#startLater(new VaultcastError(message as ErrorCode, message, { temporary: true }));
  }

  /** Connects with a new token; gives up if there is none, or if the service refuses that one too. */
  async #renew(): Promise<void> {
    const error = new VaultcastError('UNAUTHORIZED', 'The service refused the credential', { status: 401 });
    if (this.#isRenewed) return this.#refuse(error);
    this.#isRenewed = true;
    try {
      if (!(await this.#tokens.renew(this.#sentToken))) return this.#refuse(error);
    } catch (cause) {
      this.#isRenewed = false;
      return this.#startLater(new VaultcastError('NETWORK_ERROR', String(cause), { temporary: true }));
    }
    this.#attempt();
    void this.#start();
  }

  #refuse(error: VaultcastError): void {
    if (this.#state === 'closed' || this.#state === 'unauthorized') return;
    this.#setState('unauthorized');
    this.#report(error);
  }

  #receive(name: string, payload: unknown): void {
    if (typeof payload !== 'object' || payload === null) return;
    if (name === 'error') return this.#receiveError(payload as SocketError);
    const { vaultId, source } = payload as { vaultId?: string; source?: { vaultId?: string } };
    const vault = this.#vaults.get(vaultId ?? source?.vaultId ?? '');
    if (name === 'vault:joined') vault?.handle({ type: 'joined', joined: payload as VaultJoined });
    else if ('seq' in payload) vault?.handle({ type: 'event', event: { name, payload } as VaultEvent });
  }

  /** An error about a join, or without an event: the user was removed from the vault. */
  #receiveError({ code, message, details }: SocketError): void {
    if (details.event !== undefined && details.event !== 'vault:join') return;
    const temporary = code !== 'ACCESS_DENIED' && code !== 'INVALID_VAULT_ID';
    this.#vaults.get(details.vaultId ?? '')?.handle({ type: 'refused', error: new VaultcastError(code, message, { details, temporary }) });
  }

  #attempt(): void {
    if (this.#state === 'closed') return;
    this.#attempts += 1;
    this.#emit('reconnect_attempt', this.#attempts);
  }

  #report(error: VaultcastError): void {
    this.#emit('error', error);
  }

  #emit<Name extends keyof ConnectionEvents>(name: Name, argument: ConnectionEvents[Name]): void {
    this.#emitter.emit(name, argument);
    for (const vault of this.#vaults.values()) vault.emit(name, argument);
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    for (const vault of this.#vaults.values()) vault.refresh();
  }
}

function closedError(): VaultcastError {
  return new VaultcastError('CLOSED', 'The client is closed');
}

/** Returns the origin and the path prefix of the service. */
function splitUrl(url: string | undefined): [string, string] {
  const { origin, pathname } = new URL(url || '/', globalThis.location?.href);
  return [origin, withoutSlash(pathname)];
}

/** Returns the text without slashes at its end. */
function withoutSlash(text: string): string {
  return text.replace(/\/+$/, '');
}
