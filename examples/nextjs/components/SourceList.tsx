import { useState } from 'react';
import type { VaultView } from 'vaultcast-client/react';

/** The sources, newest first. Those that the service has not confirmed yet are marked. */
export function SourceList({ vault }: { vault: VaultView }) {
  const [error, setError] = useState<string>();
  const show = (reason: Error) => setError(reason.message);
  const mayChange = vault.role !== undefined && vault.role !== 'viewer';
  if (vault.status === 'loading') return <p className="muted">Loading…</p>;
  if (vault.sources.length === 0) return <p className="muted">No sources yet.</p>;
  return (
    <>
      {error && <p role="alert">{error}</p>}
      <ul className="cards">
        {vault.sources.map(({ id, title, fileUrl }) => (
          <li key={id} data-pending={vault.pending.includes(id)}>
            <a href={fileUrl}>{title}</a>
            {mayChange && (
              <span className="row">
                <button type="button" aria-label={`Mark ${title} as read`} onClick={() => vault.update(id, { title: `${title} ✓` }).catch(show)}>
                  Mark as read
                </button>
                <button type="button" aria-label={`Remove ${title}`} onClick={() => vault.remove(id).catch(show)}>
                  Remove
                </button>
              </span>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}
