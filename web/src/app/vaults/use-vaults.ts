import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { type Vault, VaultcastError, type VaultPage } from 'vaultcast-client';
import { useVaultcast } from 'vaultcast-client/react';
import { usePane } from '../shell/pane-context.ts';

const PAGE_SIZE = 50;

interface VaultsState {
  vaults: Vault[] | undefined;
  cursor: string | undefined;
  busy: boolean;
  error: unknown;
}

export interface Vaults extends Omit<VaultsState, 'cursor'> {
  hasMore: boolean;
  loadMore: () => void;
  reload: () => void;
}

/** Returns the vaults of the user, page by page. They are loaded again when the window is shown again: no event announces a new membership. */
export function useVaults(): Vaults {
  const client = useVaultcast();
  const { sessionEnded } = usePane();
  const [state, setState] = useState<VaultsState>({ vaults: undefined, cursor: undefined, busy: true, error: undefined });
  /** Only the answer to the last request counts. */
  const request = useRef(0);

  const load = useCallback(async (before: Vault[], cursor: string | undefined) => {
    const number = ++request.current;
    setState((state) => ({ ...state, busy: true, error: undefined }));
    try {
      const after = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { body } = await client.request<VaultPage>('GET', `/api/vaults?limit=${PAGE_SIZE}${after}`);
      if (number === request.current) setState({ vaults: [...before, ...body.vaults], cursor: body.nextCursor, busy: false, error: undefined });
    } catch (error) {
      if (number !== request.current) return;
      if (error instanceof VaultcastError && error.code === 'UNAUTHORIZED') return sessionEnded();
      setState((state) => ({ ...state, busy: false, error }));
    }
  }, [client]);

  const reload = useCallback(() => void load([], undefined), [load]);
  useEffect(() => {
    reload();
    const refresh = () => document.visibilityState === 'visible' && reload();
    document.addEventListener('visibilitychange', refresh);
    return () => {
      document.removeEventListener('visibilitychange', refresh);
      request.current += 1;
    };
  }, [reload]);
  const { vaults, cursor, busy, error } = state;
  return { vaults, busy, error, hasMore: cursor !== undefined, loadMore: () => void load(vaults ?? [], cursor), reload };
}
