// Values that tests and load generators share. This module imports nothing.

/** Returns `[first, …, last]`: the sequence numbers of a journal without gaps. */
export const range = (first, last) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** A source with only the required fields. */
export const PAPER = { title: 'A paper', fileUrl: 'https://files.example.com/paper.pdf' };
