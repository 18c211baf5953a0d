import { useMemo, useState } from 'preact/hooks';
import { bytes, count, perSecond, seconds } from '../data/format.ts';
import type { Snapshot } from '../data/snapshot.ts';
import type { Quantiles } from '../data/types.ts';
import { LineChart } from './LineChart.tsx';
import { CPU_SERIES, DELIVERY_SERIES, MEMORY_SERIES, MUTATION_SERIES, SOCKET_SERIES, COMMIT_SERIES, closeSeries, mailboxSeries } from './series.ts';

const QUANTILES: (keyof Quantiles)[] = ['p50', 'p99'];

/** The plots of the last 15 minutes. They share one cursor. */
export function Charts({ snapshot: { samples, intervalMs } }: { snapshot: Snapshot }) {
  const [cursor, setCursor] = useState<number>();
  const [quantile, setQuantile] = useState<keyof Quantiles>('p99');
  const mailboxes = useMemo(() => mailboxSeries(quantile), [quantile]);
  const closes = useMemo(() => closeSeries(samples), [samples]);
  const shared = { samples, intervalMs, cursor, onCursor: setCursor };
  const choice = (
    <div class="segmented" role="group" aria-label="Quantile of the mailbox wait">
      {QUANTILES.map((name) => (
        <button key={name} type="button" aria-pressed={name === quantile} onClick={() => setQuantile(name)}>{name}</button>
      ))}
    </div>
  );
  return (
    <section class="charts" aria-label="Last 15 minutes">
      <LineChart {...shared} title="Mailbox wait" hint="Time that a message waited, by kind of actor" series={mailboxes} format={seconds} actions={choice} />
      <LineChart {...shared} title="Commit latency" hint="Time of a transaction until it is on disk" series={COMMIT_SERIES} format={seconds} />
      <LineChart {...shared} title="Deliveries" hint="Events put into outboxes of sockets" series={DELIVERY_SERIES} format={perSecond} />
      <LineChart {...shared} title="Mutations" hint="Committed changes, and what was refused" series={MUTATION_SERIES} format={perSecond} />
      <LineChart {...shared} title="Closes by reason" hint="Sockets that ended" series={closes} format={perSecond} />
      <LineChart {...shared} title="Sockets" hint="Open sockets by transport" series={SOCKET_SERIES} format={count} />
      <LineChart {...shared} title="CPU" hint="Cores in use" series={CPU_SERIES} format={count} />
      <LineChart {...shared} title="Memory" hint="Resident memory of the process" series={MEMORY_SERIES} format={bytes} base={2} />
    </section>
  );
}
