import { useState } from 'preact/hooks';
import { useVaultcast } from 'vaultcast-client/react';
import { Button } from '../../shared/Button.tsx';
import { ErrorNotice } from '../../shared/Notice.tsx';
import { Dialog } from '../shell/Dialog.tsx';
import { Field } from '../shell/Field.tsx';
import { useSubmit } from '../shell/use-submit.ts';
import { formErrors, NO_ERRORS } from '../state/errors.ts';

interface RenameVaultProps {
  path: string;
  name: string;
  onClose: () => void;
}

export function RenameVault({ path, name, onClose }: RenameVaultProps) {
  const client = useVaultcast();
  const [value, setValue] = useState(name);
  const { busy, error, submit } = useSubmit(() => client.request('PATCH', path, { name: value }), onClose);
  const errors = error === undefined ? NO_ERRORS : formErrors(error, ['name']);
  return (
    <Dialog title="Rename vault" onClose={onClose}>
      <form class="stack" onSubmit={submit} noValidate>
        <Field label="Name" value={value} onValue={setValue} error={errors.fields['name']} autoComplete="off" autoFocus />
        {errors.form && <ErrorNotice>{errors.form}</ErrorNotice>}
        <div class="dialog__actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" disabled={busy}>Rename</Button>
        </div>
      </form>
    </Dialog>
  );
}
