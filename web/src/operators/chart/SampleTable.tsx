import { Table, type Column } from '../../shared/Table.tsx';
import { clock } from '../data/format.ts';
import type { Sample } from '../data/types.ts';
import { valueText, type Series } from './series.ts';

interface SampleTableProps {
  title: string;
  series: readonly Series[];
  samples: readonly Sample[];
  format: (value: number) => string;
}

/** The numbers of a plot, the latest first. */
export function SampleTable({ title, series, samples, format }: SampleTableProps) {
  const columns: Column<Sample>[] = [
    { title: 'Time', cell: ({ time }) => <span class="numeric">{clock(Date.parse(time))}</span> },
    ...series.map(({ name, value }) => ({
      title: name,
      number: true,
      cell: (sample: Sample) => valueText(value(sample), format),
    })),
  ];
  return <Table caption={`${title}, last 15 minutes`} columns={columns} rows={[...samples].reverse()} rowKey={({ time }) => time} />;
}
