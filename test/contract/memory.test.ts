import { describe, onTestFinished } from 'vitest';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { type VirtualClock, virtualClock } from '../../src/kernel/virtual-clock.ts';
import { blobsContract } from './blobs.contract.ts';
import { busContract } from './bus.contract.ts';
import { kvContract } from './kv.contract.ts';
import { queueContract } from './queue.contract.ts';
import type { Make } from './world.ts';

const stepMs = 50;

/** Lets time pass until the promise has settled. */
const drive = async <T>(clock: VirtualClock, promise: Promise<T>): Promise<T> => {
  let over = false;
  const settled = promise.finally(() => {
    over = true;
  });
  settled.catch(() => {}); // Whoever awaits the promise handles it.
  await clock.settle();
  while (!over) await clock.advance(stepMs);
  return settled;
};

const make: Make = async () => {
  const clock = virtualClock();
  const broker = memoryBroker({ clock, random: seededRandom(1), log: silentLog });
  const connect = async () => {
    const connection = broker.connect();
    onTestFinished(() => connection.bus.close());
    return connection;
  };
  return { clock, connect, eventually: (promise) => drive(clock, promise) };
};

describe('the bus in memory', () => busContract(make));
describe('the queue in memory', () => queueContract(make));
describe('buckets in memory', () => kvContract(make));
describe('blobs in memory', () => blobsContract(make));
