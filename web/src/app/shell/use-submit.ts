import { useEffect, useRef, useState } from 'preact/hooks';

/** A form in progress. */
export interface Submission {
  busy: boolean;
  /** Why the last attempt failed; undefined without one. */
  error: unknown;
  submit: (event: Event) => void;
}

/** Runs `action` when a form is submitted, one at a time, and then `onDone`. */
export function useSubmit(action: () => Promise<unknown>, onDone: () => void): Submission {
  const [state, setState] = useState<{ busy: boolean; error: unknown }>({ busy: false, error: undefined });
  const isMounted = useRef(true);
  useEffect(() => () => void (isMounted.current = false), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (state.busy) return;
    setState({ busy: true, error: undefined });
    let error: unknown;
    try {
      await action();
    } catch (cause) {
      error = cause;
    }
    if (!isMounted.current) return;
    setState({ busy: false, error });
    if (error === undefined) onDone();
  };
  return { busy: state.busy, error: state.error, submit: (event) => void submit(event) };
}
