import { StatusDot, type Tone } from '../../shared/Badge.tsx';
import { Button } from '../../shared/Button.tsx';
import { bytes, clock, count, perSecond, uptime, whole } from '../data/format.ts';
import type { Snapshot } from '../data/snapshot.ts';
import type { LiveSnapshot } from '../data/useSnapshot.ts';

/** What state the service is in, and where and since when it runs. */
export function Headline({ snapshot, connection, refresh }: LiveSnapshot) {
  const state = serviceState(snapshot, connection);
  return (
    <header class="headline">
      <div class="headline__inner">
        <div class="headline__title">
          <h1>vaultcast</h1>
          <p class="headline__state">
            <StatusDot tone={state.tone} />
            <strong>{state.text}</strong>
          </p>
        </div>
        {snapshot && (
          <p class="headline__facts numeric">
            <span>{snapshot.service.node}</span>
            <span>version {snapshot.service.version}</span>
            <span>up {uptime(snapshot.service.uptimeSeconds)}</span>
          </p>
        )}
        <div class="headline__poll">
          <p role="status" aria-live="off" class="numeric">{pollText(snapshot, connection)}</p>
          <Button small onClick={refresh}>Refresh</Button>
        </div>
      </div>
    </header>
  );
}

function serviceState(snapshot: Snapshot | undefined, connection: LiveSnapshot['connection']): { tone: Tone; text: string } {
  if (connection === 'lost') return { tone: 'bad', text: 'Does not answer' };
  if (!snapshot) return { tone: 'neutral', text: 'Loading' };
  if (snapshot.service.stopping) return { tone: 'warn', text: 'Stopping' };
  return snapshot.health.ready ? { tone: 'good', text: 'Ready' } : { tone: 'bad', text: `Not ready: ${snapshot.health.reason}` };
}

function pollText(snapshot: Snapshot | undefined, connection: LiveSnapshot['connection']): string {
  const from = snapshot ? `Data from ${clock(snapshot.at)}` : 'No data yet';
  if (connection === 'lost') return `${from}; connection lost, retrying`;
  return connection === 'paused' ? `${from}; paused` : from;
}

/** The numbers that come first. */
export function Tiles({ snapshot: { actors, samples, bounds } }: { snapshot: Snapshot }) {
  const last = samples.at(-1);
  const connections = bounds.find(({ key }) => key === 'server.max_connections');
  const tiles: [string, string, string | undefined][] = [
    ['Sockets', whole(actors.totals.sockets), connections?.value ? `${whole(connections.level ?? 0)} of ${count(connections.value)} connections` : undefined],
    ['Vaults in memory', whole(actors.totals.vaults), `${whole(actors.totals.subscribers)} subscriptions`],
    ['Mutations', last ? perSecond(last.mutationsPerSecond) : '–', 'committed'],
    ['Deliveries', last ? perSecond(last.deliveriesPerSecond) : '–', 'to sockets'],
    ['CPU', last ? count(last.cpuCores) : '–', 'cores in use'],
    ['Memory', last ? bytes(last.memoryBytes) : '–', 'resident'],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([name, value, detail]) => (
        <div class="tile" key={name}>
          <dt>{name}</dt>
          <dd class="tile__value numeric">{value}</dd>
          {detail && <dd class="tile__detail numeric">{detail}</dd>}
        </div>
      ))}
    </dl>
  );
}
