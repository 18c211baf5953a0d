import { useState } from 'preact/hooks';
import type { Role, SyncedVault } from 'vaultcast-client';
import { useVaultcast } from 'vaultcast-client/react';
import { Badge } from '../../shared/Badge.tsx';
import { Button } from '../../shared/Button.tsx';
import { ConfirmDialog } from '../shell/ConfirmDialog.tsx';
import { usePane } from '../shell/pane-context.ts';
import { PaneTitle } from '../shell/PaneTitle.tsx';
import { RouteLink } from '../shell/RouteLink.tsx';
import { RenameVault } from './RenameVault.tsx';

interface VaultHeadProps {
  vault: SyncedVault;
  name: string;
  role: Role | undefined;
  focus: boolean;
}

/** The name of the vault, the role of the user, and what an owner may do with the vault. */
export function VaultHead({ vault, name, role, focus }: VaultHeadProps) {
  const client = useVaultcast();
  const { navigate, notify } = usePane();
  const [open, setOpen] = useState<'rename' | 'delete'>();
  const close = () => setOpen(undefined);
  const path = `/api/vaults/${encodeURIComponent(vault.id)}`;
  const remove = async () => {
    await client.request('DELETE', path);
    navigate({ page: 'vaults' });
    notify(`You deleted “${name}”`);
  };
  return (
    <div class="page-head">
      <div class="page-head__title">
        <RouteLink to={{ page: 'vaults' }} class="back-link">← Vaults</RouteLink>
        <div class="page-head__name"><PaneTitle text={name} focus={focus} />{role && <Badge tone={role === 'owner' ? 'accent' : 'neutral'}>{role}</Badge>}</div>
      </div>
      {role === 'owner' && (
        <div class="cluster">
          <Button small onClick={() => setOpen('rename')}>Rename</Button>
          <Button small kind="danger" onClick={() => setOpen('delete')}>Delete vault</Button>
        </div>
      )}
      {open === 'rename' && <RenameVault path={path} name={name} onClose={close} />}
      {open === 'delete' && (
        <ConfirmDialog title="Delete this vault?" action="Delete vault" onConfirm={remove} onClose={close}>
          “{name}” and all its sources are deleted for all members at once. This cannot be undone.
        </ConfirmDialog>
      )}
    </div>
  );
}
