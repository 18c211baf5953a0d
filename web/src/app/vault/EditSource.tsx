import { useState } from 'preact/hooks';
import type { Source, SyncedVault } from 'vaultcast-client';
import { Button } from '../../shared/Button.tsx';
import { ErrorNotice } from '../../shared/Notice.tsx';
import { Dialog } from '../shell/Dialog.tsx';
import { useSubmit } from '../shell/use-submit.ts';
import { formErrors, NO_ERRORS } from '../state/errors.ts';
import { fieldsOf, NO_FIELDS, updateRequest } from '../state/source-fields.ts';
import { SourceFieldset } from './SourceFieldset.tsx';

interface EditSourceProps {
  /** The source when the dialog was opened. Only fields that the user changes are sent. */
  source: Source;
  update: SyncedVault['update'];
  onClose: () => void;
}

export function EditSource({ source, update, onClose }: EditSourceProps) {
  const [fields, setFields] = useState(() => fieldsOf(source));
  const save = async () => {
    const changes = updateRequest(source, fields);
    if (changes) await update(source.id, changes);
  };
  const { busy, error, submit } = useSubmit(save, onClose);
  const errors = error === undefined ? NO_ERRORS : formErrors(error, Object.keys(NO_FIELDS));
  return (
    <Dialog title="Edit source" onClose={onClose}>
      <form class="stack" onSubmit={submit} noValidate>
        <SourceFieldset fields={fields} onFields={setFields} errors={errors} expanded />
        {errors.form && <ErrorNotice title="The source was not changed">{errors.form}</ErrorNotice>}
        <div class="dialog__actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" disabled={busy}>{busy ? 'Saving…' : 'Save'}</Button>
        </div>
      </form>
    </Dialog>
  );
}
