import type { Source } from 'vaultcast-client';
import { Badge } from '../../shared/Badge.tsx';
import { Button } from '../../shared/Button.tsx';
import { classes } from '../../shared/classes.ts';
import { Time } from '../shell/Time.tsx';
import { formatBytes, safeHref, typeName } from '../state/source-fields.ts';
import type { LastChange } from '../state/timeline.ts';

interface SourceRowProps {
  source: Source;
  /** The user's own change is not confirmed yet. */
  isPending: boolean;
  /** The event that changed the source while the page was open. */
  changedAt: number | undefined;
  /** The author of the last change, if the loaded timeline has it. */
  change: LastChange | undefined;
  onEdit?: () => void;
  onRemove?: () => void;
}

export function SourceRow({ source, isPending, changedAt, change, onEdit, onRemove }: SourceRowProps) {
  const { title, fileUrl, fileSize, mimeType, createdAt, updatedAt } = source;
  const href = safeHref(fileUrl);
  return (
    <li class={classes('row', isPending && 'row--pending')} aria-busy={isPending}>
      {changedAt !== undefined && <span key={changedAt} class="row__flash" aria-hidden="true" />}
      <div class="row__main">
        {href ? <a class="row__title" href={href} target="_blank" rel="noopener noreferrer">{title}</a> : <span class="row__title">{title}</span>}
        <p class="row__meta">
          <Badge>{typeName(mimeType)}</Badge>
          {fileSize !== undefined && <span>{formatBytes(fileSize)}</span>}
          <span>{isPending ? 'Saving…' : <Attribution change={change} createdAt={createdAt} updatedAt={updatedAt} />}</span>
        </p>
      </div>
      {onEdit && onRemove && (
        <div class="cluster">
          <Button small kind="quiet" onClick={onEdit} aria-label={`Edit ${title}`}>Edit</Button>
          <Button small kind="quiet" onClick={onRemove} aria-label={`Remove ${title}`}>Remove</Button>
        </div>
      )}
    </li>
  );
}

interface AttributionProps {
  change: LastChange | undefined;
  createdAt: string;
  updatedAt: string;
}

/** The author and the time of the last change. */
function Attribution({ change, createdAt, updatedAt }: AttributionProps) {
  if (!change) return <>{createdAt === updatedAt ? 'Added' : 'Updated'} <Time at={updatedAt} /></>;
  return <>{change.kind === 'added' ? 'Added' : 'Updated'} by {change.actor.userName} <Time at={change.timestamp} /></>;
}
