import { Badge } from '../../shared/Badge.tsx';
import { Button } from '../../shared/Button.tsx';
import { Card } from '../../shared/Card.tsx';
import { EmptyState } from '../../shared/EmptyState.tsx';
import { ErrorNotice } from '../../shared/Notice.tsx';
import { PaneTitle } from '../shell/PaneTitle.tsx';
import { RouteLink } from '../shell/RouteLink.tsx';
import { Loading } from '../shell/Status.tsx';
import { Time } from '../shell/Time.tsx';
import { errorText } from '../state/errors.ts';
import { vaultRoute } from '../state/route.ts';
import { CreateVault } from './CreateVault.tsx';
import { useVaults } from './use-vaults.ts';

/** The vaults of the user, and a form for another one. */
export function VaultList({ focus }: { focus: boolean }) {
  const { vaults, hasMore, busy, error, loadMore, reload } = useVaults();
  return (
    <div class="narrow stack">
      <div class="page-head">
        <PaneTitle text="Vaults" focus={focus} />
        <Button small onClick={reload} disabled={busy}>Refresh</Button>
      </div>
      <CreateVault />
      {error !== undefined && (
        <ErrorNotice title="The vaults could not be loaded" actions={<Button small onClick={reload}>Try again</Button>}>{errorText(error)}</ErrorNotice>
      )}
      {!vaults && error === undefined && <Loading />}
      {vaults && (
        <Card title="Your vaults" flush>
          {vaults.length === 0 && (
            <EmptyState title="No vaults yet">Create one above, or ask an owner to add you to theirs. Then refresh this list.</EmptyState>
          )}
          <ul class="rows">
            {vaults.map(({ id, name, role, seq, createdAt }) => (
              <li key={id} class="row row--link">
                <div class="row__main">
                  <RouteLink to={vaultRoute(id)} class="row__title">{name}</RouteLink>
                  <p class="row__meta"><span>{seq} {seq === 1 ? 'event' : 'events'} · created <Time at={createdAt} /></span></p>
                </div>
                <Badge tone={role === 'owner' ? 'accent' : 'neutral'}>{role}</Badge>
              </li>
            ))}
          </ul>
          {hasMore && <div class="row-more"><Button small onClick={loadMore} disabled={busy}>Show more</Button></div>}
        </Card>
      )}
    </div>
  );
}
