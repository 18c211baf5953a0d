import { clock } from '../data/format.ts';
import type { Sample } from '../data/types.ts';
import { valueText, type Series } from './series.ts';

interface LegendProps {
  series: readonly Series[];
  sample: Sample | undefined;
  /** The time of the sample, unless it is the last one. */
  time: number | undefined;
  format: (value: number) => string;
}

/** The names and colours of the lines, each with its value at the cursor, or the last one. */
export function Legend({ series, sample, time, format }: LegendProps) {
  return (
    <div class="legend">
      <ul class="legend__series">
        {series.map(({ name, colour, value }) => (
          <li key={name}>
            <svg class="legend__line" width="14" height="8" aria-hidden="true">
              <line x1="0" y1="4" x2="14" y2="4" class={`line line--${colour}`} />
            </svg>
            {name} <strong class="numeric">{valueText(sample && value(sample), format)}</strong>
          </li>
        ))}
      </ul>
      <span class="legend__time numeric">{time === undefined ? 'now' : clock(time)}</span>
    </div>
  );
}
