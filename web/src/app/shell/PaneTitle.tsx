import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { usePane } from './pane-context.ts';

interface PaneTitleProps {
  /** Names the page in the browser's tab. */
  text: string;
  /** Takes the focus when it appears, as after a navigation. */
  focus?: boolean;
  children?: ComponentChildren;
}

/** The title of what a pane shows. */
export function PaneTitle({ text, focus = false, children }: PaneTitleProps) {
  const { titleLevel } = usePane();
  const heading = useRef<HTMLHeadingElement>(null);
  // Before the first paint: the user may press a key right after it.
  useLayoutEffect(() => {
    if (focus) heading.current?.focus();
  }, []);
  useEffect(() => {
    if (titleLevel === 1) document.title = text ? `${text} · vaultcast` : 'vaultcast';
  }, [text]);
  const Heading = `h${titleLevel}` as const;
  return <Heading ref={heading} tabIndex={-1} class="pane-title">{children ?? text}</Heading>;
}
