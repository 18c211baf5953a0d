import type { ComponentChildren } from 'preact';
import { useId, useMemo, useState } from 'preact/hooks';
import { Card } from '../../shared/Card.tsx';
import { clock } from '../data/format.ts';
import { HISTORY_MS } from '../data/snapshot.ts';
import type { Sample } from '../data/types.ts';
import { Legend } from './Legend.tsx';
import { Plot } from './Plot.tsx';
import { SampleTable } from './SampleTable.tsx';
import { nearest } from './scale.ts';
import { valueText, type Series } from './series.ts';

interface LineChartProps {
  title: string;
  hint: string;
  series: readonly Series[];
  samples: readonly Sample[];
  intervalMs: number;
  format: (value: number) => string;
  base?: 2 | 10;
  actions?: ComponentChildren;
  /** The time under the pointer or the keyboard's cursor, of all plots. */
  cursor: number | undefined;
  onCursor: (time: number | undefined) => void;
}

/** Lines over the last 15 minutes, with a legend that shows the values at the cursor, and a table of the same numbers. */
export function LineChart({ title, hint, series, samples, intervalMs, format, base = 10, actions, cursor, onCursor }: LineChartProps) {
  const [open, setOpen] = useState(false);
  const hintId = useId();
  const times = useMemo(() => samples.map(({ time }) => Date.parse(time)), [samples]);
  const index = cursor === undefined ? times.length - 1 : nearest(times, cursor);
  const sample = samples[index];
  const readOut = sample && series.map(({ name, value }) => `${name} ${valueText(value(sample), format)}`).join(', ');

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12, Home: -times.length, End: times.length }[event.key];
    if (event.key === 'Escape') return onCursor(undefined);
    if (step === undefined || times.length === 0) return;
    event.preventDefault();
    onCursor(times[Math.min(times.length - 1, Math.max(0, index + step))]);
  };

  return (
    <Card title={title} hint={<span id={hintId}>{hint}</span>} actions={actions} class="chart">
      <Legend series={series} sample={sample} time={cursor === undefined ? undefined : times[index]} format={format} />
      {sample ? (
        <div
          class="chart__plot"
          role="slider"
          tabIndex={0}
          aria-label={`${title}: time`}
          aria-describedby={hintId}
          aria-valuemin={0}
          aria-valuemax={times.length - 1}
          aria-valuenow={index}
          aria-valuetext={`${clock(times[index]!)}: ${readOut}`}
          onKeyDown={onKeyDown}
          onBlur={() => onCursor(undefined)}
        >
          <Plot series={series} samples={samples} intervalMs={intervalMs} end={times.at(-1)!} span={HISTORY_MS} format={format} base={base} cursor={cursor === undefined ? undefined : times[index]} onCursor={onCursor} />
        </div>
      ) : (
        <p class="chart__empty">The first sample is taken five seconds after the start.</p>
      )}
      <details class="chart__table" onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>
          Table<span class="visually-hidden"> of {title}</span>
        </summary>
        {open && <SampleTable title={title} series={series} samples={samples} format={format} />}
      </details>
    </Card>
  );
}
