// The moments at which the service is killed: each comes when it is to be done. Where it had been told to stop (`isStop`),
// it may have ended by itself. A pause is of a random length and waits for nothing.

import { setTimeout as pause } from 'node:timers/promises';

export const MOMENTS = [
  {
    name: 'amid the stream',
    async come({ chance }) {
      await pause(chance.between(0, 1_200));
    },
  },
  {
    name: 'right after an answer',
    async come({ chance, authors }) {
      await authors.more(chance.between(1, 20));
    },
  },
  {
    name: 'amid a burst',
    async come({ chance, authors, burst }) {
      burst(chance.between(20, 60));
      if (chance.happens(0.5)) await authors.more(chance.between(1, 10));
      else await pause(chance.between(0, 40));
    },
  },
  {
    name: 'when everybody comes back',
    async come({ chance }) {
      await pause(chance.between(0, 250));
    },
  },
  {
    name: 'when everybody is in step',
    async come({ chance, authors, subscribers }) {
      for (const subscriber of subscribers) await subscriber.isBack(1);
      await authors.more(chance.between(5, 30));
    },
  },
  {
    name: 'while it stops',
    isStop: true,
    async come({ chance, service }) {
      service.signal('SIGTERM');
      await pause(chance.between(0, chance.pick([20, 200, 1_000])));
    },
  },
];
