import { useState } from 'preact/hooks';
import type { Role, Source, SyncedVault } from 'vaultcast-client';
import { Button } from '../../shared/Button.tsx';
import { Card } from '../../shared/Card.tsx';
import { EmptyState } from '../../shared/EmptyState.tsx';
import { ConfirmDialog } from '../shell/ConfirmDialog.tsx';
import type { LastChange } from '../state/timeline.ts';
import { EditSource } from './EditSource.tsx';
import { SourceRow } from './SourceRow.tsx';

interface SourceListProps {
  sources: readonly Source[];
  pending: readonly string[];
  changed: ReadonlyMap<string, number>;
  authors: ReadonlyMap<string, LastChange>;
  role: Role | undefined;
  update: SyncedVault['update'];
  remove: SyncedVault['remove'];
}

const PAGE_SIZE = 50;

/** The sources of the vault, newest first. */
export function SourceList({ sources, pending, changed, authors, role, update, remove }: SourceListProps) {
  const [limit, setLimit] = useState(PAGE_SIZE);
  const [open, setOpen] = useState<{ dialog: 'edit' | 'remove'; source: Source }>();
  const close = () => setOpen(undefined);
  const mayChange = role === 'owner' || role === 'contributor';
  return (
    <Card title="Sources" hint={`${sources.length} ${sources.length === 1 ? 'source' : 'sources'}`} flush>
      {sources.length === 0 && (
        <EmptyState title="No sources yet">{mayChange ? 'Add the first one above. Every member sees it at once.' : 'They appear here as soon as a member adds one.'}</EmptyState>
      )}
      <ul class="rows">
        {sources.slice(0, limit).map((source) => (
          <SourceRow
            key={source.id}
            source={source}
            isPending={pending.includes(source.id)}
            changedAt={changed.get(source.id)}
            change={authors.get(source.id)}
            {...(mayChange && { onEdit: () => setOpen({ dialog: 'edit', source }), onRemove: () => setOpen({ dialog: 'remove', source }) })}
          />
        ))}
      </ul>
      {sources.length > limit && (
        <div class="row-more"><Button small onClick={() => setLimit(limit + PAGE_SIZE)}>Show {Math.min(PAGE_SIZE, sources.length - limit)} more</Button></div>
      )}
      {open?.dialog === 'edit' && <EditSource source={open.source} update={update} onClose={close} />}
      {open?.dialog === 'remove' && (
        <ConfirmDialog title="Remove this source?" action="Remove source" onConfirm={() => remove(open.source.id)} onClose={close}>
          “{open.source.title}” is removed for all members of the vault. The file itself is not touched.
        </ConfirmDialog>
      )}
    </Card>
  );
}
