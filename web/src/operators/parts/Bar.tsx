import { classes } from '../../shared/classes.ts';

const WARN = 0.6;
const BAD = 0.9;

/** A bar that shows a share of a bound. A text beside it says the same. */
export function Bar({ share }: { share: number }) {
  const tone = share >= BAD ? 'bad' : share >= WARN ? 'warn' : undefined;
  const width = Math.min(100, Math.max(share > 0 ? 2 : 0, share * 100));
  return (
    <svg class={classes('bar', tone && `bar--${tone}`)} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect class="bar__track" width="100" height="6" />
      <rect class="bar__fill" width={width} height="6" />
    </svg>
  );
}
