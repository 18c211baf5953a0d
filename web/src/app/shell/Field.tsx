import { useId } from 'preact/hooks';

interface FieldProps {
  label: string;
  value: string;
  onValue: (value: string) => void;
  error?: string | undefined;
  hint?: string;
  name?: string;
  type?: 'text' | 'url' | 'password';
  inputMode?: 'url' | 'numeric';
  placeholder?: string;
  autoComplete?: string;
  spellcheck?: boolean;
  required?: boolean;
  autoFocus?: boolean;
}

/** A labelled text control with its hint and its error. */
export function Field({ label, value, onValue, error, hint, type = 'text', ...rest }: FieldProps) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...rest}
        type={type as 'text'}
        id={id}
        class="input"
        value={value}
        onInput={(event) => onValue(event.currentTarget.value)}
        {...(described && { 'aria-describedby': described })}
        {...(error && { 'aria-invalid': true })}
      />
      {hint && <p id={`${id}-hint`} class="field__hint">{hint}</p>}
      {error && <p id={`${id}-error`} class="field__error">{error}</p>}
    </div>
  );
}
