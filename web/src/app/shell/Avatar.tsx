/** The initials of a user on one of five colours. The name is always beside it. */
export function Avatar({ id, name }: { id: string; name: string }) {
  const initials = name.split(/\s+/).map((word) => [...word][0] ?? '').slice(0, 2).join('').toUpperCase();
  const hash = [...id].reduce((sum, character) => (sum * 31 + character.codePointAt(0)!) >>> 0, 7);
  return <span class={`avatar avatar--${(hash % 5) + 1}`} aria-hidden="true">{initials}</span>;
}
