// The user's own changes, laid over the confirmed state until that state includes them. No I/O.
import type { CreateSource, Source, UpdateSource } from './generated.js';
import type { VaultEvent, VaultState } from './reducer.js';

/** A source that the user creates. Later changes of it hold this object, because its id changes when the service names it. */
export interface PendingCreate extends Settling {
  kind: 'create';
  /** The source with a temporary id, then as the service answered. */
  source: Source;
  /** Whether an event of an equal source by the same user was applied before the answer arrived. */
  isCovered: boolean;
}

export interface PendingUpdate extends Settling {
  kind: 'update';
  target: Target;
  changes: UpdateSource;
}

export interface PendingRemove extends Settling {
  kind: 'remove';
  target: Target;
}

interface Settling {
  /** The number in the answer: the confirmed state includes the change from there on. Undefined before the answer. */
  seq: number | undefined;
}

export type PendingMutation = PendingCreate | PendingUpdate | PendingRemove;

/** A source that a change is about. */
export type Target = PendingCreate | { source: { id: string } };

/** The fields that the user sets. */
const FIELDS = ['title', 'fileUrl', 'fileKey', 'fileSize', 'mimeType'] as const;
const DEFAULT_MIME_TYPE = 'application/pdf';

/** Returns the source that the mutation is about. */
export function targetOf(mutation: PendingMutation): Target {
  return mutation.kind === 'create' ? mutation : mutation.target;
}

/** Returns the sources with the pending mutations applied in the order of the calls; the same array if there are none. */
export function overlay(sources: readonly Source[], pending: readonly PendingMutation[]): readonly Source[] {
  let view = sources;
  for (const mutation of pending) {
    switch (mutation.kind) {
      case 'create':
        if (mutation.seq !== undefined || !mutation.isCovered) view = [mutation.source, ...view];
        break;
      case 'update':
        view = view.map((source) => (source.id === mutation.target.source.id ? merge(source, mutation.changes) : source));
        break;
      case 'remove':
        view = view.filter(({ id }) => id !== mutation.target.source.id);
        break;
    }
  }
  return view;
}

/** Returns the mutations that the confirmed state does not include yet. A removal with the number 0 lasts until the source is gone. */
export function unconfirmed(pending: readonly PendingMutation[], { seq, sources }: VaultState): PendingMutation[] {
  return pending.filter((mutation) => {
    if (mutation.kind === 'remove' && mutation.seq === 0) return sources.some(({ id }) => id === mutation.target.source.id);
    return mutation.seq === undefined || mutation.seq > seq;
  });
}

/**
 * Hides a pending create that an event has probably confirmed before its answer arrived, so that the source is not shown twice. The event
 * does not name the request, so sources of the same user with equal fields are taken for one another; the answer corrects a mistake.
 */
export function coverCreate(pending: readonly PendingMutation[], { name, payload }: VaultEvent, userId: string | undefined): void {
  if (name !== 'source:created' || payload.actor.userId !== userId) return;
  const { source } = payload;
  for (const mutation of pending) {
    if (mutation.kind !== 'create' || mutation.seq !== undefined || mutation.isCovered) continue;
    if (!FIELDS.every((field) => mutation.source[field] === source[field])) continue;
    mutation.isCovered = true;
    mutation.source = { ...mutation.source, id: source.id };
    return;
  }
}

/** Returns the ids of the sources with pending mutations. */
export function pendingIds(pending: readonly PendingMutation[]): readonly string[] {
  return [...new Set(pending.map((mutation) => targetOf(mutation).source.id))];
}

/** Returns a new source as the service stores it. */
export function newSource(source: Pick<Source, 'id' | 'vaultId' | 'createdAt' | 'updatedAt'>, fields: CreateSource): Source {
  return merge({ ...source, mimeType: DEFAULT_MIME_TYPE }, fields) as Source;
}

/**
 * Returns the source after a change, as the service stores it. `null` clears a field. Fields that the user cannot set are ignored, such
 * as the `id` in a copy of another source.
 */
function merge<Fields extends Partial<Source>>(source: Fields, changes: UpdateSource | CreateSource): Fields {
  const merged: Record<string, unknown> = { ...source };
  for (const field of FIELDS) {
    let value: unknown = changes[field];
    if (value === undefined) continue;
    if (typeof value === 'string' && (field === 'title' || field === 'mimeType')) value = value.trim();
    if (field === 'mimeType') value ||= DEFAULT_MIME_TYPE;
    if (value === null) delete merged[field];
    else merged[field] = value;
  }
  return merged as Fields;
}
