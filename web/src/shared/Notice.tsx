import type { ComponentChildren } from 'preact';
import { classes } from './classes.ts';

interface NoticeProps {
  title?: string;
  children?: ComponentChildren;
  actions?: ComponentChildren;
}

function NoticeBox({ tone, role, title, children, actions }: NoticeProps & { tone?: 'bad' | 'warn'; role?: 'alert' }) {
  return (
    <div class={classes('notice', tone && `notice--${tone}`)} {...(role && { role })}>
      <div class="notice__text">
        {title && <strong>{title}</strong>}
        {children}
      </div>
      {actions}
    </div>
  );
}

/** A remark in the flow of the page. */
export function Notice(props: NoticeProps & { tone?: 'warn' }) {
  return <NoticeBox {...props} />;
}

/** An error, announced by screen readers when it appears. */
export function ErrorNotice(props: NoticeProps) {
  return <NoticeBox {...props} tone="bad" role="alert" />;
}
