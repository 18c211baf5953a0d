import type { EventMember, Role } from 'vaultcast-client';
import { Badge } from '../../shared/Badge.tsx';
import { Button } from '../../shared/Button.tsx';
import { Avatar } from '../shell/Avatar.tsx';

export const ROLES = ['owner', 'contributor', 'viewer'] as const satisfies Role[];

interface MemberRowProps {
  member: EventMember;
  /** The member is the user of the pane. */
  isSelf: boolean;
  /** The user of the pane may change members. */
  isOwner: boolean;
  onRole: (role: Role) => void;
  onRemove: () => void;
}

export function MemberRow({ member, isSelf, isOwner, onRole, onRemove }: MemberRowProps) {
  const { userId, userName, role } = member;
  // The control shows the role of the vault, also after the service has refused another one.
  const change = (event: { currentTarget: HTMLSelectElement }) => {
    const value = event.currentTarget.value as Role;
    event.currentTarget.value = role;
    onRole(value);
  };
  return (
    <li class="row">
      <Avatar id={userId} name={userName} />
      <div class="row__main">
        <p class="row__name">{userName}{isSelf && <span class="soft"> (you)</span>}</p>
        {userId !== userName && <p class="row__meta mono">{userId}</p>}
      </div>
      <div class="cluster">
        {isOwner ? (
          <select class="input input--small" aria-label={`Role of ${userName}`} value={role} onChange={change}>
            {ROLES.map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        ) : <Badge>{role}</Badge>}
        {(isOwner || isSelf) && (
          <Button small kind="quiet" onClick={onRemove} aria-label={isSelf ? 'Leave this vault' : `Remove ${userName}`}>{isSelf ? 'Leave' : 'Remove'}</Button>
        )}
      </div>
    </li>
  );
}
