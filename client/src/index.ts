export { connect, type VaultcastClient } from './client.js';
export type { Unsubscribe } from './emitter.js';
export type {
  Actor,
  CreateSource,
  ErrorCode,
  EventMember,
  EventPage,
  FieldError,
  JournalEvent,
  Member,
  MemberAddedEvent,
  MemberRemovedEvent,
  MemberUpdatedEvent,
  Role,
  Source,
  SourceCreatedEvent,
  SourceDeletedEvent,
  SourceUpdatedEvent,
  UpdateSource,
  User,
  Vault,
  VaultDeletedEvent,
  VaultPage,
  VaultUpdatedEvent,
} from './generated.js';
export type { Answer } from './http.js';
export type { Accepted } from './mutations.js';
export {
  type ConnectionEvents,
  type ConnectionState,
  type ConnectOptions,
  type ErrorDetails,
  type ErrorInfo,
  type TokenCallback,
  VaultcastError,
  type VaultcastErrorCode,
  type VaultEvents,
  type VaultSnapshot,
} from './types.js';
export type { SyncedVault } from './vault.js';
