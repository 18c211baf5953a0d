import type { ComponentChildren } from 'preact';
import { classes } from './classes.ts';

export type Tone = 'neutral' | 'accent' | 'good' | 'warn' | 'bad';

/** A short label, such as a role or a state. */
export function Badge({ tone = 'neutral', children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={classes('badge', tone !== 'neutral' && `badge--${tone}`)}>{children}</span>;
}

/** A coloured dot before a text that says the same. */
export function StatusDot({ tone }: { tone: Tone }) {
  return <span class={classes('status-dot', tone !== 'neutral' && `status-dot--${tone}`)} aria-hidden="true" />;
}
