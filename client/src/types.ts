// The public types: snapshots, events, options and errors.
import type { ManagerOptions, SocketOptions } from 'socket.io-client';
import type { ErrorCode, EventMember, JournalEvent, ProblemDetails, Role, SocketErrorDetails, Source } from './generated.js';

/** The events of a vault and their payloads. */
export type VaultEvents = { [Event in JournalEvent as Event['event']]: Event['payload'] };

/** The events of the connection and the argument of their handlers. */
export interface ConnectionEvents {
  connect: undefined;
  /** The reason that the Socket.IO client gives, such as `transport close`. */
  disconnect: string;
  /** The number of attempts that this reconnection took. */
  reconnect: number;
  /** The number of the attempt that begins, from 1. */
  reconnect_attempt: number;
  /** What went wrong. The client repeats what may succeed later. */
  error: VaultcastError;
}

/**
 * The state of the connection. `unauthorized`: the service refused the credential, and `connect()` tries again after a sign-in.
 * `closed`: `close()` was called.
 */
export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'unauthorized' | 'closed';

/** An immutable state of a vault. An unchanged part is the same object in the next snapshot. */
export interface VaultSnapshot {
  /**
   * - `loading`: no state is known yet.
   * - `live`: this is the vault's present state; each event follows at once.
   * - `stale`: this is an earlier state; the client is about to catch up.
   * - `ended`: the vault was deleted, or the user may not read it; `error` says which. The lists are empty.
   */
  readonly status: 'loading' | 'live' | 'stale' | 'ended';
  readonly connection: ConnectionState;
  /** Why the status is `ended`, or the last failure while the client tries again. */
  readonly error: VaultcastError | undefined;
  /** The user's role; undefined while it is unknown. */
  readonly role: Role | undefined;
  /** The name of the vault; empty while it is unknown. */
  readonly name: string;
  /** Newest first, with the user's own unconfirmed changes applied. */
  readonly sources: readonly Source[];
  /** In the order in which they joined, with the fields that events carry. */
  readonly members: readonly EventMember[];
  /** The ids of the sources with unconfirmed changes. */
  readonly pending: readonly string[];
  /** The number of the last event that the snapshot includes; -1 while no state is known. */
  readonly seq: number;
  /** The database's history that `seq` belongs to. */
  readonly epoch: string;
}

/**
 * Returns the user's token; nothing if the user is signed out. The client keeps the token and calls again when the service has refused
 * it (`refused`).
 */
export type TokenCallback = (request: { refused: boolean }) => string | null | undefined | Promise<string | null | undefined>;

export interface ConnectOptions {
  /**
   * The address of the service. A path in it is a prefix of everything, Socket.IO included, as a proxy adds it. Default: the page's own
   * origin.
   */
  url?: string;
  /** The prefix of the HTTP routes alone, such as `/v1`: `server.base_path` of the service. Default: none. */
  basePath?: string;
  /** A token, or a function that returns one. Default: the session cookie that the browser sends. */
  auth?: string | TokenCallback;
  /** The first delay before a failed request is repeated, in milliseconds; it doubles up to ten times. Default: 500. */
  retryDelay?: number;
  /**
   * How long a change is repeated whose outcome is unknown or which the service could not accept, in milliseconds, at most
   * a day. Default: 60,000.
   */
  retryFor?: number;
  /** The number of rows in one page of a listing, 1 to 500. Default: 500. */
  pageSize?: number;
  /** Further options of the Socket.IO client. */
  socket?: Partial<ManagerOptions & SocketOptions>;
}

/**
 * A code of the service, or one of the client: `NETWORK_ERROR` (no answer that the client understands), `VAULT_DELETED`, `CLOSED`
 * (`close()` was called).
 */
export type VaultcastErrorCode = ErrorCode | 'NETWORK_ERROR' | 'VAULT_DELETED' | 'CLOSED';

/** What the service says about an error, over HTTP or over the socket. */
export type ErrorDetails = ProblemDetails | SocketErrorDetails;

export interface ErrorInfo {
  /** Details of the service, such as `[{field, message}]` of `VALIDATION_FAILED`. */
  details?: ErrorDetails | undefined;
  /** The HTTP status; 0 if there was none. */
  status?: number;
  /** Whether a repetition may succeed. */
  temporary?: boolean;
  /** Whether it is unknown if the change was made. */
  outcomeUnknown?: boolean;
  /** The delay that the service asks for, in milliseconds. */
  retryAfter?: number;
}

/** A refusal of the service, or a failure to reach it. */
export class VaultcastError extends Error {
  override readonly name = 'VaultcastError';
  readonly code: VaultcastErrorCode;
  readonly details: ErrorDetails | undefined;
  readonly status: number;
  readonly temporary: boolean;
  /** Whether the change may have been made nevertheless. If it was, its event follows. */
  readonly outcomeUnknown: boolean;
  readonly retryAfter: number;

  constructor(code: VaultcastErrorCode, message: string, info: ErrorInfo = {}) {
    super(message);
    this.code = code;
    this.details = info.details;
    this.status = info.status ?? 0;
    this.temporary = info.temporary ?? false;
    this.outcomeUnknown = info.outcomeUnknown ?? false;
    this.retryAfter = info.retryAfter ?? 0;
  }
}
