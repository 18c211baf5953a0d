import { Button } from '../../shared/Button.tsx';
import { EmptyState } from '../../shared/EmptyState.tsx';

/** What a pane shows before it knows anything. */
export function Loading({ label = 'Loading…' }: { label?: string }) {
  return <div class="loading" role="status"><span class="spinner" aria-hidden="true" />{label}</div>;
}

/** What a pane shows while the service does not answer. */
export function Unreachable({ level, onRetry }: { level: 1 | 2; onRetry?: () => void }) {
  return (
    <div role="alert">
      <EmptyState level={level} title="The service does not answer" actions={onRetry && <Button onClick={onRetry}>Try now</Button>}>
        It may be restarting. This page tries again every two seconds and continues by itself.
      </EmptyState>
    </div>
  );
}
