// The points at which a crash run kills the service. `reach` resolves when the service is to be killed. At a point with `isStop` the
// service has received SIGTERM and may exit by itself before the kill.

import { setTimeout as pause } from 'node:timers/promises';

export const KILL_POINTS = [
  {
    name: 'during the stream',
    async reach({ random }) {
      await pause(random.integer(0, 1_200));
    },
  },
  {
    name: 'right after an answer',
    async reach({ random, workload }) {
      await workload.waitForMore(random.integer(1, 20));
    },
  },
  {
    name: 'during a burst',
    async reach({ random, workload, startBurst }) {
      startBurst(random.integer(20, 60));
      if (random.chance(0.5)) await workload.waitForMore(random.integer(1, 10));
      else await pause(random.integer(0, 40));
    },
  },
  {
    name: 'while subscribers reconnect',
    async reach({ random }) {
      await pause(random.integer(0, 250));
    },
  },
  {
    name: 'after all subscribers joined',
    async reach({ random, workload, subscribers }) {
      for (const subscriber of subscribers) await subscriber.waitForConnections(1);
      await workload.waitForMore(random.integer(5, 30));
    },
  },
  {
    name: 'during a stop',
    isStop: true,
    async reach({ random, service }) {
      service.signal('SIGTERM');
      await pause(random.integer(0, random.pick([20, 200, 1_000])));
    },
  },
];
