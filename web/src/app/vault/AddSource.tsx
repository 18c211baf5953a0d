import { useRef, useState } from 'preact/hooks';
import type { Role, SyncedVault } from 'vaultcast-client';
import { Button } from '../../shared/Button.tsx';
import { Card } from '../../shared/Card.tsx';
import { ErrorNotice, Notice } from '../../shared/Notice.tsx';
import { formErrors, NO_ERRORS } from '../state/errors.ts';
import { createRequest, exampleFields, NO_FIELDS, type SourceFields } from '../state/source-fields.ts';
import { SourceFieldset } from './SourceFieldset.tsx';

interface AddSourceProps {
  role: Role | undefined;
  create: SyncedVault['create'];
}

const NAMES = Object.keys(NO_FIELDS);

/**
 * Adds a source. The list shows it at once, so the form is ready for the next one. If the service refuses it, the form has its fields
 * again, unless the user has begun another source.
 */
export function AddSource({ role, create }: AddSourceProps) {
  const [fields, setFields] = useState(NO_FIELDS);
  const [errors, setErrors] = useState(NO_ERRORS);
  const form = useRef<HTMLFormElement>(null);
  const isViewer = role === 'viewer';

  const submit = async (event: Event) => {
    event.preventDefault();
    const sent: SourceFields = fields;
    setFields(NO_FIELDS);
    setErrors(NO_ERRORS);
    form.current?.querySelector('input')?.focus();
    try {
      await create(createRequest(sent));
    } catch (error) {
      setErrors(formErrors(error, NAMES));
      setFields((now) => (now === NO_FIELDS ? sent : now));
    }
  };
  const actions = (
    <div class="cluster">
      <Button kind="quiet" onClick={() => setFields(exampleFields(new Date()))}>Fill in an example</Button>
      <Button type="submit" kind="primary">Add source</Button>
    </div>
  );
  return (
    <Card title="Add a source">
      <form ref={form} class="stack" onSubmit={(event) => void submit(event)} noValidate>
        {isViewer && <Notice>You are a viewer of this vault. Owners and contributors can add, edit and remove sources.</Notice>}
        <fieldset class="plain-fieldset stack" disabled={isViewer}>
          <legend class="visually-hidden">New source</legend>
          <SourceFieldset fields={fields} onFields={setFields} errors={errors} action={actions} />
          {errors.form && <ErrorNotice title="The source was not added">{errors.form}</ErrorNotice>}
        </fieldset>
      </form>
    </Card>
  );
}
