import { Button } from '../../shared/Button.tsx';
import { StatusDot } from '../../shared/Badge.tsx';
import { classes } from '../../shared/classes.ts';
import { announcement, describe, type Progress } from '../state/connection.ts';
import type { Cut } from './use-cut.ts';

interface ConnectionBarProps {
  progress: Progress;
  seq: number;
  cut: Cut;
}

/** The state of the connection in words, and the button that cuts it. */
export function ConnectionBar({ progress, seq, cut }: ConnectionBarProps) {
  const isConnected = progress.phase === 'live' || progress.phase === 'caught-up';
  const { tone, text } = describe(progress, seq, cut.seconds);
  // Calm while nothing is to be noticed.
  const tint = progress.phase === 'live' && tone === 'good' ? undefined : tone;
  return (
    <div class={classes('connection', tint && `connection--${tint}`)}>
      <p class="connection__text numeric" data-phase={progress.phase}><StatusDot tone={tone} />{text}</p>
      <p class="visually-hidden" role="status">{announcement(progress, cut.seconds !== undefined)}</p>
      {cut.seconds === undefined ? (
        <Button small disabled={!isConnected} onClick={cut.cut} title="Closes the connection for 15 seconds. What happens meanwhile follows without a gap.">Cut the connection</Button>
      ) : (
        <Button small onClick={cut.restore}>Reconnect now</Button>
      )}
    </div>
  );
}
