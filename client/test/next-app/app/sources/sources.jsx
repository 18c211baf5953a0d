'use client';
import { useVault } from 'vaultcast-client/react';
import { Report } from '../report';

export function Sources({ vaultId, notice }) {
  const { status, sources } = useVault(vaultId);
  const titles = sources.map(({ title }) => title).join();
  return (
    <p>
      {status}: {titles}
      {status === 'live' && <Report step="/sources" titles={titles} notice={notice} />}
    </p>
  );
}
