import type { ComponentChildren } from 'preact';
import { Button } from '../../shared/Button.tsx';
import { ErrorNotice } from '../../shared/Notice.tsx';
import { errorText } from '../state/errors.ts';
import { Dialog } from './Dialog.tsx';
import { useSubmit } from './use-submit.ts';

interface ConfirmDialogProps {
  title: string;
  /** The label of the button, a verb. */
  action: string;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
  children: ComponentChildren;
}

/** Asks before something is removed. Stays open, and says why, if the service refuses it. */
export function ConfirmDialog({ title, action, onConfirm, onClose, children }: ConfirmDialogProps) {
  const { busy, error, submit } = useSubmit(onConfirm, onClose);
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="stack" onSubmit={submit}>
        <p>{children}</p>
        {error !== undefined && <ErrorNotice>{errorText(error)}</ErrorNotice>}
        <div class="dialog__actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="danger" disabled={busy}>{action}</Button>
        </div>
      </form>
    </Dialog>
  );
}
