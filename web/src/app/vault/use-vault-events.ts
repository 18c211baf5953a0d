import { useEffect, useRef } from 'preact/hooks';
import type { JournalEvent, SyncedVault } from 'vaultcast-client';
import { journalEvent } from '../state/timeline.ts';

const NAMES = [
  'source:created',
  'source:updated',
  'source:deleted',
  'member:added',
  'member:updated',
  'member:removed',
  'vault:updated',
  'vault:deleted',
] as const satisfies JournalEvent['event'][];

/** Calls `handler` for each live event of the vault, in the form of the journal. */
export function useVaultEvents(vault: SyncedVault, handler: (event: JournalEvent) => void): void {
  const latest = useRef(handler);
  latest.current = handler;
  useEffect(() => {
    const unsubscribe = NAMES.map((name) => vault.on(name, (payload) => latest.current(journalEvent(name, payload))));
    return () => unsubscribe.forEach((stop) => stop());
  }, [vault]);
}
