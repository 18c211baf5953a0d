import { useEffect, useState } from 'preact/hooks';
import { classes } from '../../shared/classes.ts';
import type { Toast } from '../state/toasts.ts';

/** How long a notification is shown, in milliseconds. */
const SHOWN_FOR = 7000;

interface ToastsProps {
  toasts: readonly Toast[];
  onDismiss: (id: number) => void;
}

/** The notifications of a pane. Screen readers announce each when it appears. */
export function Toasts({ toasts, onDismiss }: ToastsProps) {
  return (
    <div class="toasts">
      <div class="toasts__list" role="log" aria-live="polite" aria-label="Notifications">
        {toasts.map((toast) => <ToastItem key={toast.id} toast={toast} onDismiss={onDismiss} />)}
      </div>
    </div>
  );
}

function ToastItem({ toast, onDismiss }: { toast: Toast; onDismiss: (id: number) => void }) {
  // It stays while the pointer or the focus is on it.
  const [isHeld, setHeld] = useState(false);
  useEffect(() => {
    if (isHeld) return;
    const timer = setTimeout(() => onDismiss(toast.id), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [isHeld]);
  const [hold, release] = [() => setHeld(true), () => setHeld(false)];
  return (
    <div class={classes('toast', toast.tone === 'bad' && 'toast--bad')} onMouseEnter={hold} onMouseLeave={release} onFocusIn={hold} onFocusOut={release}>
      <span>{toast.text}</span>
      <button type="button" class="toast__close" aria-label={`Dismiss: ${toast.text}`} onClick={() => onDismiss(toast.id)}><span aria-hidden="true">×</span></button>
    </div>
  );
}
