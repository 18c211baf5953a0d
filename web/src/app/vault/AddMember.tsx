import { useId, useState } from 'preact/hooks';
import type { Role } from 'vaultcast-client';
import { useVaultcast } from 'vaultcast-client/react';
import { Button } from '../../shared/Button.tsx';
import { Field } from '../shell/Field.tsx';
import { useSubmit } from '../shell/use-submit.ts';
import { formErrors, memberErrorText } from '../state/errors.ts';
import { ROLES } from './MemberRow.tsx';

/** Adds a member by email, or by user id. */
export function AddMember({ path }: { path: string }) {
  const client = useVaultcast();
  const id = useId();
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const add = () => {
    const user = name.trim();
    return client.request('POST', path, user.includes('@') ? { email: user, role } : { userId: user, role });
  };
  const { busy, error, submit } = useSubmit(add, () => setName(''));
  const fieldErrors = error === undefined ? undefined : Object.values(formErrors(error, ['email', 'userId']).fields)[0];
  const message = error === undefined ? undefined : (fieldErrors ?? memberErrorText(error));
  return (
    <form class="inline-form card__form" onSubmit={submit} noValidate>
      <Field label="Email or user ID" value={name} onValue={setName} error={message} autoComplete="off" spellcheck={false} />
      <div class="field field--short">
        <label for={id}>Role</label>
        <select id={id} class="input" value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>
          {ROLES.map((option) => <option key={option} value={option}>{option}</option>)}
        </select>
      </div>
      <Button type="submit" disabled={busy}>Add member</Button>
    </form>
  );
}
