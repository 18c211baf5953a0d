'use client';

import { useState } from 'react';
import { addMemberAction } from '../app/vaults/actions.ts';
import type { User } from '../lib/users.ts';

/** Adds a user of the application to the vault, by a server action. */
export function AddMember({ vaultId, users }: { vaultId: string; users: User[] }) {
  const [error, setError] = useState<string>();
  return (
    <form action={async (form) => setError(await addMemberAction(vaultId, form))} className="row">
      <label>
        User{' '}
        <select name="userId">
          {users.map(({ id, name }) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        Role{' '}
        <select name="role">
          <option>contributor</option>
          <option>viewer</option>
          <option>owner</option>
        </select>
      </label>
      <button type="submit">Add member</button>
      {error && <p role="alert">{error}</p>}
    </form>
  );
}
