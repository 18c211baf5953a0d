import { useState } from 'preact/hooks';
import type { Vault } from 'vaultcast-client';
import { useVaultcast } from 'vaultcast-client/react';
import { Button } from '../../shared/Button.tsx';
import { ErrorNotice } from '../../shared/Notice.tsx';
import { Field } from '../shell/Field.tsx';
import { usePane } from '../shell/pane-context.ts';
import { useSubmit } from '../shell/use-submit.ts';
import { formErrors, NO_ERRORS } from '../state/errors.ts';
import { vaultRoute } from '../state/route.ts';

/** Creates a vault and opens it. */
export function CreateVault() {
  const client = useVaultcast();
  const { navigate } = usePane();
  const [name, setName] = useState('');
  const create = async () => {
    const { body } = await client.request<Vault>('POST', '/api/vaults', { name });
    navigate(vaultRoute(body.id));
  };
  const { busy, error, submit } = useSubmit(create, () => setName(''));
  const errors = error === undefined ? NO_ERRORS : formErrors(error, ['name']);
  return (
    <form class="inline-form" onSubmit={submit} noValidate>
      <Field label="New vault" value={name} onValue={setName} error={errors.fields['name']} placeholder="Name" autoComplete="off" />
      <Button type="submit" kind="primary" disabled={busy}>Create vault</Button>
      {errors.form && <ErrorNotice>{errors.form}</ErrorNotice>}
    </form>
  );
}
