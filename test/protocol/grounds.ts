/** The two grounds on which schedules are replayed: a nats-server, and the broker in memory with time of its own. */
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { connectNats } from '../../src/bus/nats/connection.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { seededRandom, systemRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { describe } from 'vitest';
import { freshNats } from '../setup/servers.ts';
import type { Ground } from './node.ts';

/** Of virtual time, for one thing to happen. */
const longestMs = 120_000;

/** In memory, with faults to order. */
export const memoryGround = () => {
  const clock = virtualClock();
  const random = seededRandom(1);
  const broker = memoryBroker({ clock, random, log: silentLog });
  const eventually = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false;
    const end = (): void => {
      over = true;
    };
    promise.then(end, end);
    await clock.settle();
    const latestMs = clock.monotonic() + longestMs;
    while (!over && clock.monotonic() < latestMs)
      await clock.advance(clock.nextDueMs === undefined ? 0 : clock.nextDueMs - clock.monotonic());
    return over ? promise : Promise.reject(new Error(`nothing came of it in ${longestMs} ms`));
  };
  return { clock, random, broker, eventually, pause: () => clock.sleep(20), connect: async () => broker.connect() };
};

/** By way of a proxy, perhaps. */
export const natsGround = (url: string): Ground => ({
  clock: systemClock,
  random: systemRandom,
  connect: (name) => connectNats({ servers: url, name, clock: systemClock, random: systemRandom, log: silentLog }),
  pause: () => new Promise((resolve) => systemClock.immediate(resolve)),
  eventually: (promise) => promise,
});

/** The same schedules on both; `make` is called once in each test. */
export const onBothGrounds = (schedules: (make: () => Promise<Ground>) => void): void => {
  describe('in memory', () => schedules(async () => memoryGround()));
  describe('on nats-server', () => schedules(async () => natsGround((await freshNats()).url)));
};
