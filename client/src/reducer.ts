// The state of a vault as a function of its events. No I/O, no clock: the same state and event always give the same state.
import type { EventMember, Source } from './generated.js';
import type { VaultEvents } from './types.js';

/** The vault after event `seq` of the history `epoch`. */
export interface VaultState {
  readonly seq: number;
  readonly epoch: string;
  readonly name: string;
  /** Newest first: in the reverse order of the events that created them. */
  readonly sources: readonly Source[];
  /** In the order of the events that added them. */
  readonly members: readonly EventMember[];
}

/** An event of a vault. */
export type VaultEvent = { [Name in keyof VaultEvents]: { name: Name; payload: VaultEvents[Name] } }[keyof VaultEvents];

/**
 * Returns the state after the event: the same state if it includes the event already, and undefined if an event before this one is
 * missing. An event of a kind that this version does not know only counts.
 *
 * The first state may be a listing of several pages, in which some rows are newer than `seq`. Therefore an event may create what exists,
 * and change or delete what does not; docs/ordering.md explains why the state is exact from the `seq` of the last page on.
 */
export function applyEvent(state: VaultState, event: VaultEvent): VaultState | undefined {
  const { seq } = event.payload;
  if (seq <= state.seq) return state;
  if (seq !== state.seq + 1) return undefined;
  return { ...state, ...change(state, event), seq };
}

function change({ sources, members }: VaultState, { name, payload }: VaultEvent): Partial<VaultState> {
  switch (name) {
    case 'source:created': {
      const { id, createdAt } = payload.source;
      return { sources: [{ ...payload.source, updatedAt: createdAt }, ...sources.filter((source) => source.id !== id)] };
    }
    case 'source:updated': {
      const { source } = payload;
      return { sources: sources.map((known) => (known.id === source.id ? { ...source, createdAt: known.createdAt } : known)) };
    }
    case 'source:deleted':
      return { sources: sources.filter(({ id }) => id !== payload.sourceId) };
    case 'member:added':
      return { members: [...without(members, payload.member), payload.member] };
    case 'member:updated':
      return { members: members.map((known) => (known.userId === payload.member.userId ? payload.member : known)) };
    case 'member:removed':
      return { members: without(members, payload.member) };
    case 'vault:updated':
      return { name: payload.vault.name };
    case 'vault:deleted':
      return { sources: [], members: [] };
    default:
      name satisfies never; // the compiler names a missing kind; at run time it is one of a later version
      return {};
  }
}

function without(members: readonly EventMember[], { userId }: EventMember): EventMember[] {
  return members.filter((known) => known.userId !== userId);
}
