import { type ComponentChildren, createContext } from 'preact';
import { useContext, useId } from 'preact/hooks';
import { classes } from './classes.ts';

/** The id of an element that distinguishes the cards of one part of the page from those of another, for screen readers. */
export const RegionLabel = createContext<string | undefined>(undefined);

interface CardProps {
  title: string;
  /** One line below or beside the title. */
  hint?: ComponentChildren;
  /** Controls at the end of the head. */
  actions?: ComponentChildren;
  /** Without padding, for lists and tables that have their own. */
  flush?: boolean;
  class?: string;
  children: ComponentChildren;
}

/** A titled region of the page. */
export function Card({ title, hint, actions, flush = false, class: extra, children }: CardProps) {
  const id = useId();
  const part = useContext(RegionLabel);
  return (
    <section class={classes('card', extra)} aria-labelledby={part ? `${id} ${part}` : id}>
      <div class="card__head">
        <div>
          <h2 id={id} tabIndex={-1}>{title}</h2>
          {hint && <p>{hint}</p>}
        </div>
        {actions}
      </div>
      <div class={classes('card__body', flush && 'card__body--flush')}>{children}</div>
    </section>
  );
}
