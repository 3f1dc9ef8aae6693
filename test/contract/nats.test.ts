import { describe, onTestFinished } from 'vitest';
import { type NatsConnection, connectNats } from '../../src/bus/nats/connection.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { freshNats } from '../setup/servers.ts';
import { blobsContract } from './blobs.contract.ts';
import { busContract } from './bus.contract.ts';
import { kvContract } from './kv.contract.ts';
import { queueContract } from './queue.contract.ts';
import type { Make } from './world.ts';

const connectTo = (servers: string) => async (): Promise<NatsConnection> => {
  const options = { servers, name: 'contract', clock: systemClock, random: systemRandom, log: silentLog };
  const link = await connectNats(options);
  onTestFinished(() => link.bus.close());
  return link;
};

/** A server for each test: one that is emptied may not be empty (`setup/made-anew.ts`). */
const make: Make = async () => {
  const { url } = await freshNats();
  return { clock: systemClock, connect: connectTo(url), eventually: (promise) => promise };
};

describe('the bus on NATS', () => busContract(make));
describe('the queue on NATS', () => queueContract(make));
describe('buckets on NATS', () => kvContract(make));
describe('blobs on NATS', () => blobsContract(make));
