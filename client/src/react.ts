'use client';
// React bindings. The hooks read external stores, so a component shows one state of a vault in a whole render.
import { createContext, createElement, type ReactElement, type ReactNode, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { connect, type VaultcastClient } from './client.js';
import type { Source } from './generated.js';
import type { ConnectOptions, VaultSnapshot } from './types.js';
import { LOADING, type SyncedVault } from './vault.js';

const ClientContext = createContext<VaultcastClient | undefined>(undefined);

/** Either a client of the application, or the options of one that the provider makes and closes. Options are read once. */
export type VaultcastProviderProps = { children?: ReactNode } & ({ client: VaultcastClient } | ({ client?: undefined } & ConnectOptions));

/** Provides the client to the hooks. With serializable options (`url`) a server component may render it. */
export function VaultcastProvider({ children, client, ...options }: VaultcastProviderProps): ReactElement {
  const own = useOwnClient(client ? undefined : options);
  return createElement(ClientContext.Provider, { value: client ?? own }, children);
}

/** Returns a client that is closed some time after the component has unmounted. Nothing connects before a component subscribes. */
function useOwnClient(options: ConnectOptions | undefined): VaultcastClient | undefined {
  const [client, setClient] = useState(() => options && connect(options));
  const closing = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    clearTimeout(closing.current); // StrictMode unmounts and mounts again at once
    // A hidden <Activity> may be shown again after its client was closed.
    if (client?.state === 'closed') setClient(connect(options));
    return () => void (closing.current = setTimeout(() => client?.close()));
  }, [client]);
  return client;
}

/** Returns the client of the provider. */
export function useVaultcast(): VaultcastClient {
  const client = useContext(ClientContext);
  if (!client) throw new Error('useVault and useSources need a <VaultcastProvider> above them');
  return client;
}

/** What {@link useVault} returns: the snapshot, and the functions of the vault that change it. */
export type VaultView = VaultSnapshot & Pick<SyncedVault, 'create' | 'update' | 'remove' | 'on'>;

/** Returns the vault, and renders again when it changes. The vault is kept in step while the component is mounted. */
export function useVault(vaultId: string): VaultView {
  const { subscribe, getSnapshot, create, update, remove, on } = useVaultcast().vault(vaultId);
  const snapshot = useSyncExternalStore(subscribe, getSnapshot, () => LOADING);
  return useMemo(() => ({ ...snapshot, create, update, remove, on }), [snapshot, create]);
}

/** Returns the sources of the vault, and renders again only when they change. */
export function useSources(vaultId: string): readonly Source[] {
  const { subscribe, getSnapshot } = useVaultcast().vault(vaultId);
  return useSyncExternalStore(subscribe, () => getSnapshot().sources, () => LOADING.sources);
}
