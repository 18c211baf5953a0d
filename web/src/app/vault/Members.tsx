import { useState } from 'preact/hooks';
import { type EventMember, type Role } from 'vaultcast-client';
import { useVaultcast } from 'vaultcast-client/react';
import { Card } from '../../shared/Card.tsx';
import { ErrorNotice } from '../../shared/Notice.tsx';
import { ConfirmDialog } from '../shell/ConfirmDialog.tsx';
import { usePane } from '../shell/pane-context.ts';
import { errorText } from '../state/errors.ts';
import { AddMember } from './AddMember.tsx';
import { MemberRow } from './MemberRow.tsx';

interface MembersProps {
  vaultId: string;
  members: readonly EventMember[];
  role: Role | undefined;
}

/** The members of the vault. An owner may change them; every other member may leave. */
export function Members({ vaultId, members, role }: MembersProps) {
  const client = useVaultcast();
  const { user, navigate, notify } = usePane();
  const [error, setError] = useState<unknown>();
  const [removing, setRemoving] = useState<EventMember>();
  const path = `/api/vaults/${encodeURIComponent(vaultId)}/members`;
  const pathOf = ({ userId }: EventMember) => `${path}/${encodeURIComponent(userId)}`;

  const setRole = async (member: EventMember, newRole: Role) => {
    setError(undefined);
    await client.request('PATCH', pathOf(member), { role: newRole }).catch(setError);
  };
  const remove = async (member: EventMember) => {
    await client.request('DELETE', pathOf(member));
    if (member.userId !== user.id) return;
    navigate({ page: 'vaults' });
    notify('You left the vault');
  };
  const isSelf = removing?.userId === user.id;
  return (
    <Card title="Members" hint={`${members.length} ${members.length === 1 ? 'member' : 'members'}`} flush>
      <ul class="rows">
        {members.map((member) => (
          <MemberRow
            key={member.userId}
            member={member}
            isSelf={member.userId === user.id}
            isOwner={role === 'owner'}
            onRole={(newRole) => void setRole(member, newRole)}
            onRemove={() => setRemoving(member)}
          />
        ))}
      </ul>
      {error !== undefined && <div class="card__note"><ErrorNotice title="The role was not changed">{errorText(error)}</ErrorNotice></div>}
      {role === 'owner' && <AddMember path={path} />}
      {removing && (
        <ConfirmDialog
          title={isSelf ? 'Leave this vault?' : `Remove ${removing.userName}?`}
          action={isSelf ? 'Leave vault' : 'Remove member'}
          onConfirm={() => remove(removing)}
          onClose={() => setRemoving(undefined)}
        >
          {isSelf ? 'You no longer see the vault. An owner can add you again.' : 'They no longer see the vault, from this moment on. You can add them again.'}
        </ConfirmDialog>
      )}
    </Card>
  );
}
