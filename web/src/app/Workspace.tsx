// What a signed-in user sees in a pane: their vaults, or one vault.
import { useCallback, useMemo, useReducer, useRef } from 'preact/hooks';
import type { VaultcastClient } from 'vaultcast-client';
import { VaultcastProvider } from 'vaultcast-client/react';
import { type Pane, PaneContext } from './shell/pane-context.ts';
import { Toasts } from './shell/Toasts.tsx';
import type { Route } from './state/route.ts';
import { NO_TOASTS, reduceToasts } from './state/toasts.ts';
import { VaultPage } from './vault/VaultPage.tsx';
import { VaultList } from './vaults/VaultList.tsx';

type WorkspaceProps = Omit<Pane, 'notify'> & { client: VaultcastClient; route: Route };

export function Workspace({ client, route, user, navigate, hrefOf, sessionEnded, titleLevel }: WorkspaceProps) {
  const [toasts, dispatch] = useReducer(reduceToasts, NO_TOASTS);
  const notify = useCallback<Pane['notify']>((text, tone = 'neutral') => dispatch({ type: 'show', text, tone }), []);
  // After the first route, the title of the next one takes the focus.
  const first = useRef(route);
  const isNavigation = first.current !== route;
  const pane = useMemo<Pane>(() => ({ user, navigate, hrefOf, notify, sessionEnded, titleLevel }), [user, navigate, hrefOf, sessionEnded]);
  return (
    <VaultcastProvider client={client}>
      <PaneContext.Provider value={pane}>
        {route.page === 'vaults' && <VaultList focus={isNavigation} />}
        {route.page === 'vault' && <VaultPage key={route.vaultId} vaultId={route.vaultId} focus={isNavigation} />}
        <Toasts toasts={toasts.shown} onDismiss={(id) => dispatch({ type: 'dismiss', id })} />
      </PaneContext.Provider>
    </VaultcastProvider>
  );
}
