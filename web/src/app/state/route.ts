// Addresses of the app. A pane of the split view has the same routes, but not in the address bar.
import { basePath } from './base-path.ts';

export type Route = { page: 'vaults' } | { page: 'vault'; vaultId: string };

/** What the address shows: one user's app, or the demo's split view with a user in each pane. */
export type Address = { view: 'app'; route: Route } | { view: 'split'; left: string; right: string; route: Route };

/** The socket options that `?transports=polling,websocket` selects; the default of the client without it. */
export type Transport = 'polling' | 'websocket';

const DEFAULT_PANES = { left: 'owner', right: 'contributor' };

/** The paths of the app below a prefix of the service's routes. */
const pathsBelow = (base: string) => ({ vaults: `${base}/`, vault: `${base}/test/realtime`, split: `${base}/demo/split` });

/** Reads an address. Unknown paths show the vaults. */
export function parseAddress(pathname: string, search: string, demoVaultId?: string, base = basePath): Address {
  const paths = pathsBelow(base);
  const query = new URLSearchParams(search);
  const vaultId = query.get('vaultId')?.trim();
  if (pathname === paths.split) {
    const { left, right } = DEFAULT_PANES;
    const shown = vaultId || demoVaultId;
    return { view: 'split', left: query.get('left') || left, right: query.get('right') || right, route: shown ? vaultRoute(shown) : { page: 'vaults' } };
  }
  // Without an id, too: the page then explains what is missing.
  if (pathname === paths.vault) return { view: 'app', route: vaultRoute(vaultId ?? '') };
  return { view: 'app', route: { page: 'vaults' } };
}

/** Returns the route of a vault. */
export function vaultRoute(vaultId: string): Route {
  return { page: 'vault', vaultId };
}

/** Returns the path and query of an address. Keeps the `transports` of the present one. */
export function formatAddress(address: Address, search: string, base = basePath): string {
  const paths = pathsBelow(base);
  const query = new URLSearchParams();
  if (address.view === 'split') {
    query.set('left', address.left);
    query.set('right', address.right);
  }
  if (address.route.page === 'vault') query.set('vaultId', address.route.vaultId);
  const transports = new URLSearchParams(search).get('transports');
  if (transports) query.set('transports', transports);
  const path = address.view === 'split' ? paths.split : address.route.page === 'vault' ? paths.vault : paths.vaults;
  return query.size > 0 ? `${path}?${query}` : path;
}

/** Returns the transports that the address names; undefined without a known one. */
export function transportsOf(search: string): Transport[] | undefined {
  const names = (new URLSearchParams(search).get('transports') ?? '').split(',');
  const known = names.filter((name): name is Transport => name === 'polling' || name === 'websocket');
  return known.length > 0 ? known : undefined;
}
