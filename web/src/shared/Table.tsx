import type { ComponentChildren } from 'preact';

export interface Column<Row> {
  title: string;
  /** Right-aligned, with digits of equal width. */
  number?: boolean;
  cell: (row: Row) => ComponentChildren;
}

interface TableProps<Row> {
  /** What the table shows, for screen readers. */
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
}

/** A table that scrolls sideways, also by keyboard, when it is wider than its place. */
export function Table<Row>({ caption, columns, rows, rowKey }: TableProps<Row>) {
  const numeric = (column: Column<Row>) => (column.number ? 'table__number' : undefined);
  return (
    <div class="table-scroll" role="region" aria-label={caption} tabIndex={0}>
      <table class="table">
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>{columns.map((column) => <th key={column.title} scope="col" class={numeric(column)}>{column.title}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>{columns.map((column) => <td key={column.title} class={numeric(column)}>{column.cell(row)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
