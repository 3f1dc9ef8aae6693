/** A broker on a clock that stands still, and one connection to it. */
import { type MemoryBrokerOptions, memoryBroker } from '../../../src/bus/memory/broker.ts';
import { seededRandom } from '../../../src/kernel/random.ts';
import { virtualClock } from '../../../src/kernel/virtual-clock.ts';
import { all, consuming, latest, log, sched, work } from '../../contract/world.ts';

export const open = async (options: Partial<MemoryBrokerOptions> = {}) => {
  const clock = virtualClock();
  const broker = memoryBroker({ clock, random: seededRandom(1), ...options });
  const connection = broker.connect();
  const { queue } = connection;
  for (const spec of [work, log, latest, sched]) await queue.ensureStream(spec);
  await queue.ensureConsumer(all);
  return { clock, broker, connection, ...connection, consumer: consuming(queue) };
};
