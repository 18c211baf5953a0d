// One vault. The server renders its frame; the client component keeps the rest in step.

import { notFound, redirect } from 'next/navigation';
import { VaultcastProvider } from 'vaultcast-client/react';
import { auth } from '../../../auth.ts';
import { AddMember } from '../../../components/AddMember.tsx';
import { Vault } from '../../../components/Vault.tsx';
import { listUsers } from '../../../lib/users.ts';
import { BASE_PATH, findVault } from '../../../lib/vaultcast.ts';

export default async function VaultPage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  const session = await auth();
  if (!session?.user) redirect('/sign-in');
  const [vault, users] = await Promise.all([findVault(id), listUsers()]);
  if (!vault) notFound();
  return (
    // The same origin, by nginx: the browser sends the session cookie by itself.
    <VaultcastProvider basePath={BASE_PATH}>
      <Vault vaultId={id} name={vault.name}>
        <AddMember vaultId={id} users={users} />
      </Vault>
    </VaultcastProvider>
  );
}
