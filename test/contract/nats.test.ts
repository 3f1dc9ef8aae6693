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
import { bytes, type Make, text } from './world.ts';

const server = await freshNats();

const connect = async (): Promise<NatsConnection> => {
  const options = { servers: server.url, name: 'contract', clock: systemClock, random: systemRandom, log: silentLog };
  const link = await connectNats(options);
  onTestFinished(() => link.bus.close());
  return link;
};

const emptied = async ({ bus }: NatsConnection): Promise<void> => {
  const ask = async (operation: string) =>
    JSON.parse(text((await bus.request(`$JS.API.${operation}`, bytes(''))).data) ?? '');
  const { streams } = await ask('STREAM.NAMES');
  for (const name of streams ?? []) await ask(`STREAM.DELETE.${name}`);
};

/** One server for all, emptied for each test. */
const make: Make = async () => {
  await emptied(await connect());
  return { clock: systemClock, connect, eventually: (promise) => promise };
};

describe('the bus on NATS', () => busContract(make));
describe('the queue on NATS', () => queueContract(make));
describe('buckets on NATS', () => kvContract(make));
describe('blobs on NATS', () => blobsContract(make));
