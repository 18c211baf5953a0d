/** The least number of the form 1, 2 or 5 times a power of ten (or of two, for bytes) that is at least `value`. */
export function niceStep(value: number, base: 2 | 10): number {
  if (base === 2) return 2 ** Math.ceil(Math.log2(value));
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= value * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** Values at which a vertical axis has a line: from 0 to at least `max`, about `count` of them. */
export function valueTicks(max: number, count: number, base: 2 | 10): number[] {
  const step = niceStep((max > 0 ? max : 1) / count, base);
  const last = Math.ceil((max > 0 ? max : 1) / step - 1e-9);
  return Array.from({ length: last + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** The full minutes at which a horizontal axis has a label: every `minutes`. */
export function timeTicks(from: number, to: number, minutes: number): number[] {
  const step = minutes * 60_000;
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, index) => first + index * step);
}

/** The index of the time that is nearest to `time`; the times ascend. */
export function nearest(times: readonly number[], time: number): number {
  const after = times.findIndex((candidate) => candidate >= time);
  if (after < 0) return times.length - 1;
  if (after === 0) return 0;
  return time - times[after - 1]! < times[after]! - time ? after - 1 : after;
}
