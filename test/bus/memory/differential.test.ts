/** What keeps the memory broker honest: the same script on it and on a real nats-server has the same outcome. */
import fc from 'fast-check';
import { afterAll, describe, type ExpectStatic, test } from 'vitest';
import { memoryBroker } from '../../../src/bus/memory/broker.ts';
import { connectNats } from '../../../src/bus/nats/connection.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { silentLog } from '../../../src/kernel/log.ts';
import { seededRandom, systemRandom } from '../../../src/kernel/random.ts';
import { virtualClock } from '../../../src/kernel/virtual-clock.ts';
import { freshNats } from '../../setup/servers.ts';
import { type Operation, type Scene, player, script } from './script.ts';

const numRuns = Number(process.env['DIFFERENTIAL_RUNS'] ?? 40);

const server = await freshNats();
const own = { clock: systemClock, random: systemRandom, log: silentLog };
const nats = await connectNats({ servers: server.url, name: 'differential', ...own });
afterAll(() => nats.bus.close());

let streams = 0;

const agree = async (expect: ExpectStatic, scene: Scene, operations: readonly Operation[]): Promise<void> => {
  streams += 1;
  const name = `S${streams}`;
  const memory = memoryBroker({ clock: virtualClock(), random: seededRandom(streams) }).connect();
  const [ours, theirs] = await Promise.all([player(memory, name, scene), player(nats, name, scene)]);
  for (const operation of operations) {
    const [answer, expected] = [await ours.play(operation), await theirs.play(operation)];
    expect({ operation, answer }).toEqual({ operation, answer: expected });
    const state = await ours.state();
    await expect.poll(theirs.state, { interval: 2, timeout: 2_000 }).toEqual(state);
  }
  await Promise.all([ours.close(), theirs.close()]);
};

describe.concurrent('memory and nats-server answer alike', () => {
  test.for([
    { keep: 'work', ack: 'each' },
    { keep: 'limits', ack: 'each' },
    { keep: 'last', ack: 'each' },
    { keep: 'last', ack: 'through' },
  ] as const)('on a stream that keeps "$keep", acked "$ack"', { timeout: 60_000 }, async (scene, { expect }) => {
    const alike = fc.asyncProperty(script, (operations) => agree(expect, scene, operations));
    await fc.assert(alike, { numRuns });
  });
});
