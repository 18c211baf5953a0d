// What any story or tool may need, and what needs nothing itself.

/** `[first, …, last]`: what a gapless order looks like. */
export const range = (first, last) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** A source that says nothing it need not say. */
export const PAPER = { title: 'A paper', fileUrl: 'https://files.example.com/paper.pdf' };
