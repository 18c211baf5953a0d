import type { ComponentProps } from 'preact';
import { classes } from './classes.ts';

export type ButtonKind = 'default' | 'primary' | 'danger' | 'quiet';

type ButtonProps = ComponentProps<'button'> & { kind?: ButtonKind; small?: boolean };

/** A button. It does not submit a form unless `type="submit"` says so. */
export function Button({ kind = 'default', small = false, class: extra, type = 'button', ...rest }: ButtonProps) {
  return <button {...rest} type={type} class={classes('button', kind !== 'default' && `button--${kind}`, small && 'button--small', extra as string)} />;
}

type ButtonLinkProps = ComponentProps<'a'> & { kind?: ButtonKind; small?: boolean };

/** A link that looks like a button. */
export function ButtonLink({ kind = 'default', small = false, class: extra, ...rest }: ButtonLinkProps) {
  return <a {...rest} class={classes('button', kind !== 'default' && `button--${kind}`, small && 'button--small', extra as string)} />;
}
