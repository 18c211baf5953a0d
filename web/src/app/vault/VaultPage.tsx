// One vault: its head, its connection, its sources, members and timeline, or why it is not available.
import { useMemo, useRef } from 'preact/hooks';
import { useVault, useVaultcast } from 'vaultcast-client/react';
import { Button } from '../../shared/Button.tsx';
import { Notice } from '../../shared/Notice.tsx';
import { isVaultId } from '../state/ended.ts';
import { lastChanges } from '../state/timeline.ts';
import { AddSource } from './AddSource.tsx';
import { ConnectionBar } from './ConnectionBar.tsx';
import { EndedVault } from './EndedVault.tsx';
import { Members } from './Members.tsx';
import { OpeningVault } from './OpeningVault.tsx';
import { SourceList } from './SourceList.tsx';
import { TimelineCard } from './TimelineCard.tsx';
import { useConnection } from './use-connection.ts';
import { useCut } from './use-cut.ts';
import { useTimeline } from './use-timeline.ts';
import { useVaultNews } from './use-vault-news.ts';
import { VaultHead } from './VaultHead.tsx';

interface VaultPageProps {
  vaultId: string;
  /** The title takes the focus. */
  focus: boolean;
}

export function VaultPage({ vaultId, focus }: VaultPageProps) {
  // The service would refuse it, too; an empty id is not even a route.
  return isVaultId(vaultId) ? <OpenVault vaultId={vaultId} focus={focus} /> : <EndedVault reason="invalid" name="" />;
}

function OpenVault({ vaultId, focus }: VaultPageProps) {
  const client = useVaultcast();
  const vault = client.vault(vaultId);
  const view = useVault(vaultId);
  const { status, role, sources, members, pending, seq, name, error } = view;
  const connection = useConnection(vault);
  const cut = useCut(client);
  const timeline = useTimeline(vault, view);
  const isReturning = connection.progress.phase === 'away' || connection.progress.phase === 'catching-up';
  const changed = useVaultNews(vault, isReturning);
  const root = useRef<HTMLDivElement>(null);
  const authors = useMemo(() => lastChanges(timeline.timeline.events), [timeline.timeline.events]);
  const lastName = useRef('');
  if (name) lastName.current = name;

  if (status === 'ended') {
    // Only the pane that has the focus may move it.
    const hadFocus = root.current?.contains(document.activeElement) ?? false;
    return <EndedVault code={error?.code} wasOpen={lastName.current !== ''} focus={hadFocus} name={lastName.current} onRetry={() => client.connect()} />;
  }
  if (status === 'loading') {
    return <OpeningVault error={connection.error} onRetry={() => client.connect()} />;
  }
  const isLost = connection.progress.phase === 'away' && connection.error !== undefined && cut.seconds === undefined;
  return (
    <div class="vault" ref={root}>
      <VaultHead vault={vault} name={name} role={role} focus={focus} />
      <ConnectionBar progress={connection.progress} seq={seq} cut={cut} />
      {isLost && (
        <Notice tone="warn" title="The service does not answer" actions={<Button small onClick={() => client.connect()}>Try now</Button>}>
          You see the vault as of event {seq}. It continues by itself when the service is back, without a gap.
        </Notice>
      )}
      <div class="vault__columns">
        <div class="stack">
          <AddSource role={role} create={view.create} />
          <SourceList sources={sources} pending={pending} changed={changed} authors={authors} role={role} update={view.update} remove={view.remove} />
        </div>
        <div class="stack">
          <Members vaultId={vaultId} members={members} role={role} />
          <TimelineCard view={timeline} />
        </div>
      </div>
    </div>
  );
}
