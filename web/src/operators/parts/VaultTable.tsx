import { useId } from 'preact/hooks';
import { Card } from '../../shared/Card.tsx';
import { EmptyState } from '../../shared/EmptyState.tsx';
import { Table, type Column } from '../../shared/Table.tsx';
import { seconds, whole } from '../data/format.ts';
import type { LiveVault, LiveVaultList, SortKey } from '../data/types.ts';
import type { VaultQuery } from '../data/useSnapshot.ts';
import { Bar } from './Bar.tsx';

const ORDERS: [SortKey, string][] = [
  ['wait', 'In trouble first'],
  ['depth', 'Longest queue'],
  ['inFlight', 'Most in flight'],
  ['subscribers', 'Most subscribers'],
  ['seq', 'Highest seq'],
  ['idle', 'Idle for longest'],
  ['vault', 'Vault id'],
];

const LIMITS = [20, 50, 200];

const time = (millis: number) => (millis === 0 ? '–' : seconds(millis / 1000));

const COLUMNS: Column<LiveVault>[] = [
  { title: 'Vault', cell: ({ vaultId }) => <code>{vaultId}</code> },
  {
    title: 'Queue',
    cell: ({ depth, capacity }) => (
      <span class="level">
        <Bar share={depth / capacity} />
        <span class="numeric">{whole(depth)} / {whole(capacity)}</span>
      </span>
    ),
  },
  { title: 'Oldest wait', number: true, cell: ({ oldestWaitMs }) => <span class={oldestWaitMs >= 1000 ? 'is-warn' : undefined}>{time(oldestWaitMs)}</span> },
  { title: 'In flight', number: true, cell: ({ inFlight }) => whole(inFlight) },
  { title: 'Subscribers', number: true, cell: ({ subscribers }) => whole(subscribers) },
  { title: 'Seq', number: true, cell: ({ seq }) => whole(seq) },
  { title: 'Idle', number: true, cell: ({ idleMs }) => time(idleMs) },
  { title: 'Thread', number: true, cell: ({ arbiter }) => arbiter },
];

interface VaultTableProps {
  live: LiveVaultList;
  query: VaultQuery;
  onQuery: (query: VaultQuery) => void;
}

/** The vaults in memory, in the order of the service. */
export function VaultTable({ live: { vaults, totals }, query, onQuery }: VaultTableProps) {
  const [filterId, orderId, limitId] = [useId(), useId(), useId()];
  const matching = vaults.filter(({ vaultId }) => vaultId.includes(query.filter));
  const shown = matching.slice(0, query.limit);
  const of = query.filter ? `${whole(matching.length)} matching` : whole(totals.vaults);
  const controls = (
    <div class="controls">
      <label class="visually-hidden" for={filterId}>Filter by vault id</label>
      <input id={filterId} type="search" placeholder="Filter by vault id" autocomplete="off" spellcheck={false} value={query.filter} onInput={({ currentTarget }) => onQuery({ ...query, filter: currentTarget.value.trim() })} />
      <label class="visually-hidden" for={orderId}>Order</label>
      <select id={orderId} value={query.by} onChange={({ currentTarget }) => onQuery({ ...query, by: currentTarget.value as SortKey })}>
        {ORDERS.map(([key, title]) => <option key={key} value={key}>{title}</option>)}
      </select>
      <label class="visually-hidden" for={limitId}>Number of rows</label>
      <select id={limitId} value={query.limit} onChange={({ currentTarget }) => onQuery({ ...query, limit: Number(currentTarget.value) })}>
        {LIMITS.map((limit) => <option key={limit} value={limit}>{limit} rows</option>)}
      </select>
    </div>
  );
  return (
    <Card title="Vaults" hint={`${whole(shown.length)} of ${of} vaults in memory`} actions={controls} flush>
      {shown.length > 0 ? (
        <Table caption="Vaults in memory" columns={COLUMNS} rows={shown} rowKey={({ vaultId }) => vaultId} />
      ) : query.filter ? (
        <EmptyState title="No vault matches">No vault in memory has an id that contains “{query.filter}”.</EmptyState>
      ) : (
        <EmptyState title="No vault is in memory">A vault is loaded when a client joins or changes it, and unloaded after <code>actors.vault_idle</code>.</EmptyState>
      )}
    </Card>
  );
}
