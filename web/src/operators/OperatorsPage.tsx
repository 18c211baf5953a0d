import { useState } from 'preact/hooks';
import { ErrorNotice } from '../shared/Notice.tsx';
import { Charts } from './chart/Charts.tsx';
import { clock } from './data/format.ts';
import { useSnapshot, type VaultQuery } from './data/useSnapshot.ts';
import { BoundTable } from './parts/BoundTable.tsx';
import { Headline, Tiles } from './parts/Headline.tsx';
import { ProblemList } from './parts/ProblemList.tsx';
import { VaultTable } from './parts/VaultTable.tsx';

/** The operators' page: the state of one process, live. */
export function OperatorsPage() {
  const [query, setQuery] = useState<VaultQuery>({ by: 'wait', limit: 20, filter: '' });
  const live = useSnapshot(query);
  const { snapshot, connection } = live;
  return (
    <>
      <a class="skip-link" href="#content">Skip to the content</a>
      <Headline {...live} />
      <main id="content" class="operators" tabIndex={-1}>
        {connection === 'lost' && (
          <ErrorNotice title="The service does not answer">
            {snapshot ? `Everything below is from ${clock(snapshot.at)}. ` : ''}
            The page asks again every two seconds. The process may have ended, may be restarting, or may be stalled: the log says which.
          </ErrorNotice>
        )}
        {snapshot && (
          <div class={connection === 'lost' ? 'operators__data operators__data--old' : 'operators__data'}>
            <Tiles snapshot={snapshot} />
            <ProblemList snapshot={snapshot} isOld={connection === 'lost'} />
            <VaultTable live={snapshot.actors} query={query} onQuery={setQuery} />
            <Charts snapshot={snapshot} />
            <BoundTable snapshot={snapshot} />
          </div>
        )}
        {!snapshot && connection !== 'lost' && <div class="operators__loading"><span class="spinner" aria-hidden="true" /><p>Asking the service …</p></div>}
      </main>
    </>
  );
}
