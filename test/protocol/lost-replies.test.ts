/**
 * Protocol 6: what the server did and could not say. A write is sent again, the same one, until the server answers; a
 * refusal that shows its nonce was its own. A read alone proves nothing.
 */
import { beforeEach, expect, test } from 'vitest';
import { decodeRecord } from '../../src/task/record.ts';
import { freshNats } from '../setup/servers.ts';
import { type Proxy, startProxy } from '../setup/proxy.ts';
import { between } from './failpoints.ts';
import { type World, world } from './fixture.ts';
import type { Ground } from './node.ts';
import { natsGround } from './grounds.ts';

let url = '';
let proxy: Proxy;
beforeEach(async () => {
  ({ url } = await freshNats());
  proxy = await startProxy(url);
  return () => proxy.stop();
});

/** The node's connection goes through the proxy, the test's does not. */
const ground = async (): Promise<Ground> => {
  const direct = natsGround(url);
  const through = natsGround(proxy.url);
  return { ...direct, connect: (name) => (name === 'plain' ? direct : through).connect(name) };
};

type Point = (subject: string, data: Uint8Array) => boolean;

/** From the first write like this on, no answer comes. */
const losing = (point: Point) => {
  const sent = Promise.withResolvers<void>();
  let lost = false;
  const around = between({
    publish: (subject, data, go) => {
      if (!lost && point(subject, data)) {
        lost = true;
        proxy.drop('replies');
        sent.resolve();
      }
      return go();
    },
  });
  return { around, sent: sent.promise };
};

const isRecord = (subject: string): boolean => subject === '$KV.tasks.t.x';

const points: readonly (readonly [what: string, point: Point, stored: (setting: World) => Promise<boolean>])[] = [
  ['its first step', isRecord, async ({ record }) => (await record('x')) !== undefined],
  [
    'its end',
    (subject, data) => isRecord(subject) && decodeRecord(data)?.status === 'dead',
    async ({ record }) => (await record('x'))?.status === 'dead',
  ],
  ['its dead letter', (subject) => subject.startsWith('dlq.'), async ({ messages }) => (await messages('DLQ')) === 1],
];

test.each(points)(
  'a node that never hears that it wrote %s goes on when it is connected again',
  async (_what, point, stored) => {
    const ran: string[] = [];
    const setting = await world(await ground(), {
      ackWaitMs: 20_000,
      retry: { max: 1 },
      run: async (ctx) => {
        await ctx.step('one', () => void ran.push('one'));
        throw new Error('no');
      },
    });
    const { around, sent } = losing(point);
    const node = await setting.boot('a', { around });
    await setting.submit('x');
    await sent;
    await setting.until(
      () => stored(setting),
      (there) => there,
    );
    proxy.cut();
    proxy.pass();
    expect(await setting.becomes('x')).toMatchObject({
      status: 'dead',
      attempt: 1,
      failures: 1,
      steps: [{ name: 'one' }],
    });
    await setting.drained();
    expect([await setting.messages('DLQ'), ran]).toEqual([1, ['one']]);
    expect(await node.metrics.text()).not.toContain('troupe_fenced_total{');
  },
);
