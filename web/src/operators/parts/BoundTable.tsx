import { Card } from '../../shared/Card.tsx';
import { Table, type Column } from '../../shared/Table.tsx';
import { boundValue, whole } from '../data/format.ts';
import { boundId, recentHits, type Snapshot } from '../data/snapshot.ts';
import type { Bound } from '../data/types.ts';
import { Bar } from './Bar.tsx';

/** The bounds in effect: what they are, how full, how often reached, and what happens then. */
export function BoundTable({ snapshot }: { snapshot: Snapshot }) {
  const columns: Column<Bound>[] = [
    {
      title: 'Bound',
      cell: ({ key, what }) => (
        <div class="bound">
          {key ? <code>{key}</code> : <span class="bound__fixed">not configurable</span>}
          <span>{what}</span>
        </div>
      ),
    },
    { title: 'Value', number: true, cell: ({ value, unit }) => <span class="nowrap">{value === null ? 'unlimited' : boundValue(value, unit)}</span> },
    { title: 'In use', cell: (bound) => <Usage bound={bound} /> },
    { title: 'Reached', number: true, cell: (bound) => <Hits bound={bound} recent={recentHits(snapshot, bound)} /> },
    { title: 'When reached', cell: ({ outcome }) => <span class="bound__outcome">{outcome}</span> },
  ];
  return (
    <Card title="Bounds in effect" hint="Every queue, limit and timeout; a reload changes them without a restart" flush>
      <Table caption="Each bound with its use and outcome" columns={columns} rows={snapshot.bounds} rowKey={boundId} />
    </Card>
  );
}

function Usage({ bound: { value, unit, level, highWater } }: { bound: Bound }) {
  const used = level ?? highWater;
  if (used === undefined) return <span class="is-soft">–</span>;
  return (
    <span class="level">
      {value !== null && <Bar share={value > 0 ? used / value : 0} />}
      <span class="numeric nowrap">
        {unit === 'bytes' ? boundValue(used, unit) : whole(used)}
        {level === undefined && <span class="is-soft"> at most</span>}
      </span>
    </span>
  );
}

function Hits({ bound: { hits }, recent }: { bound: Bound; recent: number }) {
  if (hits === undefined) return <span class="is-soft">–</span>;
  return (
    <span class="nowrap">
      {hits === 0 ? <span class="is-soft">never</span> : <strong>{whole(hits)}</strong>}
      {recent > 0 && <span class="is-warn"> (+{whole(recent)} in a minute)</span>}
    </span>
  );
}
