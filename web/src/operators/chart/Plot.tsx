import { useMemo } from 'preact/hooks';
import type { Sample } from '../data/types.ts';
import { timeTicks, valueTicks } from './scale.ts';
import { segments, type Segment, type Series } from './series.ts';
import { useWidth } from './useWidth.ts';

interface PlotProps {
  series: readonly Series[];
  samples: readonly Sample[];
  intervalMs: number;
  /** The time at the right edge, and the time that the plot shows, in milliseconds. */
  end: number;
  span: number;
  format: (value: number) => string;
  base: 2 | 10;
  cursor: number | undefined;
  onCursor: (time: number | undefined) => void;
}

const HEIGHT = 168;
const MARGIN = { top: 8, right: 10, bottom: 22, left: 62 };
const INNER_HEIGHT = HEIGHT - MARGIN.top - MARGIN.bottom;

/** Below this width the axis has a label every five minutes, else every three. */
const NARROW = 420;

const clockMinutes = (time: number) => new Date(time).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });

/** The lines, axes and cursor of a chart. */
export function Plot({ series, samples, intervalMs, end, span, format, base, cursor, onCursor }: PlotProps) {
  const { element, width } = useWidth<SVGSVGElement>();
  const innerWidth = Math.max(0, width - MARGIN.left - MARGIN.right);
  const start = end - span;
  const lines = useMemo(() => series.map((one) => ({ ...one, parts: segments(samples, one.value, intervalMs) })), [series, samples, intervalMs]);
  const max = Math.max(0, ...lines.flatMap(({ parts }) => parts.flat().map(({ value }) => value)));
  const ticks = valueTicks(max, 4, base);
  const x = (time: number) => MARGIN.left + ((time - start) / span) * innerWidth;
  const y = (value: number) => MARGIN.top + INNER_HEIGHT * (1 - value / ticks.at(-1)!);
  const path = (part: Segment) => part.map(({ time, value }, index) => `${index === 0 ? 'M' : 'L'}${x(time).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  const atCursor = cursor === undefined ? undefined : samples.find(({ time }) => Date.parse(time) === cursor);

  const onPointerMove = (event: PointerEvent) => {
    const left = (event.currentTarget as Element).getBoundingClientRect().left;
    onCursor(start + ((event.clientX - left - MARGIN.left) / innerWidth) * span);
  };

  return (
    <svg ref={element} class="plot" height={HEIGHT} aria-hidden="true" onPointerMove={onPointerMove} onPointerLeave={() => onCursor(undefined)}>
      {width > 0 && (
        <>
          {ticks.map((value) => (
            <g key={value}>
              <line class="plot__grid" x1={MARGIN.left} x2={width - MARGIN.right} y1={y(value)} y2={y(value)} />
              <text class="plot__label" x={MARGIN.left - 8} y={y(value)} dy="0.32em" text-anchor="end">{format(value)}</text>
            </g>
          ))}
          {timeTicks(start, end, width < NARROW ? 5 : 3).map((time) => (
            <g key={time}>
              <line class="plot__tick" x1={x(time)} x2={x(time)} y1={HEIGHT - MARGIN.bottom} y2={HEIGHT - MARGIN.bottom + 4} />
              <text class="plot__label" x={x(time)} y={HEIGHT - 5} text-anchor={x(time) > width - 24 ? 'end' : 'middle'}>{clockMinutes(time)}</text>
            </g>
          ))}
          {atCursor && <line class="plot__cursor" x1={x(cursor!)} x2={x(cursor!)} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} />}
          {[...lines].reverse().map(({ name, colour, parts }) => (
            <g key={name} class={`line line--${colour}`}>
              {parts.map((part) =>
                part.length === 1 ? (
                  <circle key={part[0]!.time} class="line__dot" cx={x(part[0]!.time)} cy={y(part[0]!.value)} r="2" />
                ) : (
                  <path key={part[0]!.time} d={path(part)} />
                ),
              )}
            </g>
          ))}
          {atCursor &&
            lines.map(({ name, colour, value }) => {
              const number = value(atCursor);
              return number !== undefined && <circle key={name} class={`line line--${colour} line__dot`} cx={x(cursor!)} cy={y(number)} r="3.5" />;
            })}
        </>
      )}
    </svg>
  );
}
