/** Connections for a test, closed by themselves at its end. */
import { onTestFinished } from 'vitest';
import { connectNats, type NatsConnection, type NatsOptions } from '../../../src/bus/nats/connection.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { silentLog } from '../../../src/kernel/log.ts';
import { systemRandom } from '../../../src/kernel/random.ts';
import { bytes, collect, text } from '../../contract/world.ts';

export const connectTo = async (servers: string, options: Partial<NatsOptions> = {}): Promise<NatsConnection> => {
  const own = { servers, name: 'test', clock: systemClock, random: systemRandom, log: silentLog, ...options };
  const link = await connectNats(own);
  onTestFinished(() => link.bus.close());
  return link;
};

/** The server's answer to a request to its API. */
export const serverApi = async ({ bus }: NatsConnection, operation: string, body: object = {}) =>
  JSON.parse(text((await bus.request(`$JS.API.${operation}`, bytes(JSON.stringify(body)))).data) ?? '');

/** What becomes of the connection from now on. */
export const statesOf = ({ bus }: NatsConnection) => {
  const states = collect<string>();
  bus.onConnection(states.push);
  return states;
};
