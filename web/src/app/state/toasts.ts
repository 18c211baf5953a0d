// The notifications of a pane.

export interface Toast {
  id: number;
  text: string;
  tone: 'neutral' | 'bad';
}

export type ToastAction = { type: 'show'; text: string; tone: Toast['tone'] } | { type: 'dismiss'; id: number };

export interface Toasts {
  shown: readonly Toast[];
  nextId: number;
}

/** More would cover the page: the oldest makes room. */
const MAX_SHOWN = 3;

export const NO_TOASTS: Toasts = { shown: [], nextId: 1 };

export function reduceToasts({ shown, nextId }: Toasts, action: ToastAction): Toasts {
  if (action.type === 'dismiss') return { shown: shown.filter(({ id }) => id !== action.id), nextId };
  const { text, tone } = action;
  return { shown: [...shown, { id: nextId, text, tone }].slice(-MAX_SHOWN), nextId: nextId + 1 };
}
