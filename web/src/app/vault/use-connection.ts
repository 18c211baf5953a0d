import { useEffect, useState } from 'preact/hooks';
import type { SyncedVault, Vault, VaultcastClient, VaultcastError } from 'vaultcast-client';
import { useVaultcast } from 'vaultcast-client/react';
import { advance, CONNECTING, type Progress } from '../state/connection.ts';

export interface ConnectionView {
  progress: Progress;
  /** Why the connection failed last, while it is lost. */
  error: VaultcastError | undefined;
}

/** Returns the state of the vault's connection. */
export function useConnection(vault: SyncedVault): ConnectionView {
  const client = useVaultcast();
  const [view, setView] = useState<ConnectionView>({ progress: CONNECTING, error: undefined });
  useEffect(() => watch(client, vault, setView), [client, vault]);
  return view;
}

/** Calls `show` after each change. Returns a function that stops. */
function watch(client: VaultcastClient, vault: SyncedVault, show: (view: ConnectionView) => void): () => void {
  let view: ConnectionView = { progress: CONNECTING, error: undefined };
  /** The last event of the vault when the connection came back; undefined until it is asked for, and Infinity until the answer. */
  let head: number | undefined;
  /** Counts the connections, so that the answer of an earlier one is ignored. */
  let run = 0;
  const set = (next: ConnectionView) => show((view = next));
  const update = () => {
    const snapshot = vault.getSnapshot();
    if (snapshot.status === 'live' && head === undefined) {
      head = client.socket?.recovered ? Infinity : 0;
      if (head > 0) void ask();
    }
    const progress = advance(view.progress, { ...snapshot, head: head ?? 0 });
    if (progress !== view.progress) set({ ...view, progress });
  };
  const ask = async () => {
    const asked = run;
    const path = `/api/vaults/${encodeURIComponent(vault.id)}`;
    // Without an answer the connection itself reports the failure.
    const answer = await client.request<Vault>('GET', path).then(({ body }) => body.seq, () => vault.getSnapshot().seq);
    if (asked !== run) return;
    head = answer;
    update();
  };
  const unsubscribe = [
    vault.subscribe(update),
    vault.on('disconnect', () => {
      head = undefined;
      run += 1;
      set({ ...view, error: undefined });
    }),
    vault.on('error', (error) => set({ ...view, error: error.temporary ? error : undefined })),
    vault.on('connect', () => set({ ...view, error: undefined })),
  ];
  update();
  return () => unsubscribe.forEach((stop) => stop());
}
