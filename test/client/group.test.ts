/** Waiting for a group while those who could count it are away. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { resolveApp } from '../../src/app/resolve.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { client } from '../../src/client/client.ts';
import { defineApp, defineTask } from '../../src/index.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { startNode } from '../../src/testing/node.ts';
import { keptLog } from './world.ts';

const add = defineTask({ name: 'add', input: z.number(), run: async () => {} });
const theApp = defineApp({ tasks: [add] });

const open = async () => {
  const clock = virtualClock();
  const random = seededRandom(1);
  const { log, lines } = keptLog();
  const broker = memoryBroker({ clock, random, log });
  const store = memoryStore();
  const app = resolveApp(theApp);
  const boot = async (name: string) => {
    const starting = startNode({ app, broker, store, clock, random, name });
    await clock.advance(1_000);
    return starting;
  };
  const node = await boot('a');
  const link = broker.connect();
  const made = client<typeof theApp>({ ...link, clock, random, log, region: 'main' });
  const submitting = made.submit('add', 1, { group: 'g' });
  await clock.advance(1_000);
  await submitting;
  return { clock, node, boot, store, link, group: made.group('g'), close: made.close, lines };
};

/** What a wait has come to so far. */
const watched = (waiting: Promise<unknown>) => {
  const seen: { outcome?: unknown } = {};
  void waiting.then(
    (value) => (seen.outcome = value),
    (error: unknown) => (seen.outcome = error),
  );
  return seen;
};

const completed = expect.objectContaining({ completed: 1, queued: 0 });

test('a group is waited for while there is no history, no node and no connection, however long that takes', async () => {
  const { clock, node, boot, store, link, group, lines } = await open();
  const away: ReadonlyArray<readonly [go: () => unknown, come: () => unknown]> = [
    [() => store.setAvailable(false), () => store.setAvailable(true)],
    [link.cut, link.heal],
    [node.crash, () => boot('b')],
  ];
  for (const [go, come] of away) {
    await go();
    const waits = [group.done(), group.done({ timeout: '1h' })].map(watched);
    await clock.advance(300_000);
    expect(waits).toEqual([{}, {}]);
    await come();
    await clock.advance(15_000);
    expect(waits.map(({ outcome }) => outcome)).toEqual([completed, completed]);
  }
  // Once for each wait and outage.
  expect(lines.filter((line) => line.includes('nobody counts the group'))).toHaveLength(6);
});

test('at the timeout it is said what the waiting has last failed with', async () => {
  const { clock, node, link, group } = await open();
  const gaveUp = async (ms: number) => {
    const seen = watched(group.done({ timeout: ms }));
    await clock.advance(ms + 1_000);
    return seen.outcome;
  };
  const code = 'deadline_exceeded';
  const unavailable = (message: string) => ({ code: 'unavailable', message });
  node.crash();
  expect(await gaveUp(60_000)).toMatchObject({
    code,
    message: 'group "g" has not ended within 1m; it goes on',
    cause: unavailable('no ingress answers counts.g: is a node running?'),
  });
  link.cut();
  const lacking = 'cannot be asked: this client has no connection to NATS; it dials until it has';
  expect(await gaveUp(60_000)).toMatchObject({ code, cause: unavailable(`counts.g ${lacking}`) });
  // Before the first question has failed.
  expect(await gaveUp(3_000)).toMatchObject({ code, cause: unavailable(`group "g" ${lacking}`) });
});

test('a wait for a group that nobody counts ends with its client', async () => {
  const { clock, node, group, close } = await open();
  node.crash();
  const seen = watched(group.done());
  await clock.advance(60_000);
  const closing = close();
  await clock.advance(1_000);
  await closing;
  expect(seen.outcome).toMatchObject({ code: 'unavailable', message: 'the client is closed' });
});
