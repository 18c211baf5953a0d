// The vaults of the user: listed by a server component, created by a server action.

import { redirect } from 'next/navigation';
import { auth } from '../auth.ts';
import { createVault, listVaults } from '../lib/vaultcast.ts';

export default async function Home() {
  if (!(await auth())) redirect('/sign-in');
  const vaults = await listVaults();
  return (
    <>
      <h1>Your vaults</h1>
      {vaults.length === 0 && <p className="muted">You are a member of no vault yet.</p>}
      <ul className="cards">
        {vaults.map(({ id, name }) => (
          <li key={id}>
            <a href={`/vaults/${id}`}>{name}</a>
          </li>
        ))}
      </ul>
      <form action={create} className="row">
        <label>
          Name <input name="name" required maxLength={200} />
        </label>
        <button type="submit">Create a vault</button>
      </form>
    </>
  );
}

async function create(form: FormData): Promise<void> {
  'use server';
  const { id } = await createVault(String(form.get('name')));
  redirect(`/vaults/${id}`);
}
