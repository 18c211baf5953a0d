'use client';

import type { ReactNode } from 'react';
import { useVault } from 'vaultcast-client/react';
import { AddSource } from './AddSource.tsx';
import { ConnectionStatus } from './ConnectionStatus.tsx';
import { SourceList } from './SourceList.tsx';
import { Timeline } from './Timeline.tsx';

/** A vault that stays in step. `children` is shown to owners. */
export function Vault({ vaultId, name, children }: { vaultId: string; name: string; children: ReactNode }) {
  const vault = useVault(vaultId);
  if (vault.connection === 'unauthorized') return <SignedOut />;
  if (vault.status === 'ended') return <p role="alert">This vault is not available to you any more.</p>;
  return (
    <>
      <div className="row">
        <h1>{vault.name || name}</h1>
        <ConnectionStatus status={vault.status} connection={vault.connection} />
        {vault.role && <span className="badge">{vault.role}</span>}
      </div>
      <div className="columns">
        <section aria-labelledby="sources">
          <h2 id="sources">Sources</h2>
          {vault.role && vault.role !== 'viewer' && <AddSource create={vault.create} />}
          <SourceList vault={vault} />
        </section>
        <aside>
          <section aria-labelledby="members">
            <h2 id="members">Members</h2>
            <ul>
              {vault.members.map(({ userId, userName, role }) => (
                <li key={userId}>
                  {userName} <span className="muted">{role}</span>
                </li>
              ))}
            </ul>
            {vault.role === 'owner' && children}
          </section>
          <Timeline vault={vault} />
        </aside>
      </div>
    </>
  );
}

function SignedOut() {
  return (
    <p role="alert">
      Your session has ended. <a href="/sign-in">Sign in again</a>
    </p>
  );
}
