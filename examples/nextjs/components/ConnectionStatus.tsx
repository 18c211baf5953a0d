import type { ConnectionState, VaultSnapshot } from 'vaultcast-client';

/** Says whether what is shown is the present state. */
export function ConnectionStatus({ status, connection }: { status: VaultSnapshot['status']; connection: ConnectionState }) {
  const isLive = status === 'live' && connection === 'connected';
  return (
    <output className="badge" data-live={isLive}>
      {isLive ? 'live' : connection === 'reconnecting' ? 'reconnecting…' : 'loading…'}
    </output>
  );
}
