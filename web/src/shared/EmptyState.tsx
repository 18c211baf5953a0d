import type { ComponentChildren } from 'preact';

interface EmptyStateProps {
  title: string;
  /** The level of the heading. */
  level?: 1 | 2 | 3;
  children?: ComponentChildren;
  actions?: ComponentChildren;
}

/** What a list or a page shows when it has nothing to show, and what to do about it. */
export function EmptyState({ title, level = 3, children, actions }: EmptyStateProps) {
  const Heading = `h${level}` as const;
  return (
    <div class="empty-state">
      <Heading>{title}</Heading>
      {children && <p>{children}</p>}
      {actions && <div class="empty-state__actions">{actions}</div>}
    </div>
  );
}
