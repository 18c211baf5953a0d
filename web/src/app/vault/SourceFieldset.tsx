import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Field } from '../shell/Field.tsx';
import type { FormErrors } from '../state/errors.ts';
import type { SourceFields } from '../state/source-fields.ts';

interface SourceFieldsetProps {
  /** The button of the form, beside the optional fields while these are hidden. */
  action?: ComponentChildren;
  fields: SourceFields;
  onFields: (fields: SourceFields) => void;
  errors: FormErrors;
  /** Shows the optional fields at once. */
  expanded?: boolean;
}

const OPTIONAL = ['mimeType', 'fileSize', 'fileKey'] as const;

/** The controls of a source's fields. */
export function SourceFieldset({ fields, onFields, errors, action, expanded = false }: SourceFieldsetProps) {
  const control = (name: keyof SourceFields) => ({
    value: fields[name],
    onValue: (value: string) => onFields({ ...fields, [name]: value }),
    error: errors.fields[name],
    name,
    autoComplete: 'off',
  });
  const [isOpen, setOpen] = useState(expanded);
  const hasHiddenError = OPTIONAL.some((name) => errors.fields[name]);
  return (
    <>
      <div class="field-grid">
        <Field label="Title" {...control('title')} placeholder="Quarterly report" />
        <Field label="File URL" {...control('fileUrl')} type="url" inputMode="url" placeholder="https://files.example.com/report.pdf" />
      </div>
      <div class="form-foot">
        <details class="more" open={isOpen || hasHiddenError} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>More fields</summary>
          <div class="field-grid field-grid--three">
            <Field label="Media type" {...control('mimeType')} placeholder="application/pdf" />
            <Field label="Size in bytes" {...control('fileSize')} inputMode="numeric" />
            <Field label="File key" {...control('fileKey')} />
          </div>
        </details>
        {action}
      </div>
    </>
  );
}
