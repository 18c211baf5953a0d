import type { ComponentChildren } from 'preact';
import type { Route } from '../state/route.ts';
import { usePane } from './pane-context.ts';

interface RouteLinkProps {
  to: Route;
  class?: string;
  children: ComponentChildren;
}

/** A link to a route of the pane. With a modifier key the browser opens the address as usual. */
export function RouteLink({ to, class: name, children }: RouteLinkProps) {
  const { navigate, hrefOf } = usePane();
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0) return;
    event.preventDefault();
    navigate(to);
  };
  return <a class={name} href={hrefOf(to)} onClick={follow}>{children}</a>;
}
