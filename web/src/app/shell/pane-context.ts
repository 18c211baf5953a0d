// What the parts of a pane share: its user, its routes and its notifications. The app is one pane; the split view has two.
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { User } from 'vaultcast-client';
import type { Route } from '../state/route.ts';
import type { Toast } from '../state/toasts.ts';

export interface Pane {
  user: User;
  navigate: (route: Route) => void;
  /** Returns the address of a route, for links that are opened elsewhere. */
  hrefOf: (route: Route) => string;
  notify: (text: string, tone?: Toast['tone']) => void;
  /** The service refused the credential. */
  sessionEnded: () => void;
  /** The level of the title: 1, and 2 in a pane of the split view. */
  titleLevel: 1 | 2;
}

export const PaneContext = createContext<Pane | undefined>(undefined);

/** Returns the pane that contains the component. */
export function usePane(): Pane {
  const pane = useContext(PaneContext);
  if (!pane) throw new Error('the component needs a pane above it');
  return pane;
}
