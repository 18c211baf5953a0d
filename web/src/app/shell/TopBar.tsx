import type { ComponentChildren } from 'preact';
import logo from '../../shared/favicon.svg';
import { basePath } from '../state/base-path.ts';

interface TopBarProps {
  /** Follows the name of the product. */
  context?: ComponentChildren;
  /** Stands at the end. */
  children?: ComponentChildren;
}

/** The head of every page, after the link that skips it. */
export function TopBar({ context, children }: TopBarProps) {
  return (
    <>
      <a class="skip-link" href="#content">Skip to the content</a>
      <header class="topbar">
        <a class="topbar__brand" href={`${basePath}/`}><img src={logo} alt="" width="24" height="24" />vaultcast</a>
        {context && <span class="topbar__context">{context}</span>}
        <div class="topbar__end">{children}</div>
      </header>
    </>
  );
}
