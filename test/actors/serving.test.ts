import { expect, test } from 'vitest';
import { z } from 'zod';
import { doors } from '../../src/actors/doors.ts';
import { answerServing } from '../../src/actors/serving.ts';
import { defineApp, defineTask } from '../../src/index.ts';
import { startWorld } from '../client/world.ts';
import { app, failed, open } from '../task/world.ts';

/** Streams with their consumers, and no node but who answers for it. */
const nobody = async () => {
  const world = await open();
  const admission = { admit: () => Promise.reject(new Error('nothing is submitted here')) };
  const answering = doors({ ports: world.ports, admission, store: world.store });
  const why = (id: string) => world.eventually(answering.why('t', id));
  /** Another node that has the pool. */
  const serve = async () => {
    const { bus } = world.node();
    await answerServing({ bus, region: 'main', pools: [{ name: 'default' }] })(new AbortController().signal);
  };
  return { ...world, why, serve };
};

test('a task behind what a node had in hand that is gone says that no node serves its pool, and how many wait', async () => {
  const { submit, take, why, serve } = await nobody();
  for (const id of ['a', 'b', 'c']) await submit({ id });
  await take();
  const unserved =
    'no node serves pool "default" now: start one; 2 tasks wait in lane normal, and 1 more come again after the ack wait: nodes had them in hand that are gone, or that stop';
  expect(await why('b')).toMatchObject({
    status: 'queued',
    why: unserved,
    waitingFor: { reason: 'no_worker', detail: unserved },
  });
  expect((await why('a')).why).toMatch(/^no node says that it runs attempt 1: .*; no node serves pool "default" now/);
  await serve();
  expect(await why('b')).toMatchObject({
    why: expect.stringMatching(/^pool "default", lane normal: 2 tasks wait/),
    waitingFor: { reason: 'lane' },
  });
  expect((await why('a')).why).not.toContain('serves');
});

test('a retry that is due says so where no node serves its pool, and not before', async () => {
  const { submit, take, run, why, serve, clock } = await nobody();
  await submit({ id: 'a' });
  await run(
    app(async () => failed(1_000)),
    await take(),
  );
  const before = await why('a');
  expect(before.why).toMatch(/^the last attempt failed \(e: it broke\); the next one is due at \S+$/);
  expect(before.waitingFor?.reason).toBe('retry');
  await clock.advance(1_000);
  const unserved = expect.stringMatching(
    /it broke\); the next one is due at \S+; no node serves pool "default" now: start one; .* wait in lane normal/,
  );
  expect(await why('a')).toMatchObject({ status: 'waiting', why: unserved, waitingFor: { reason: 'no_worker' } });
  await serve();
  expect(await why('a')).toEqual(before);
});

test('what is not due, or is in the inbox, waits for no node, though none serves its pool', async () => {
  const { submit, why, queue } = await nobody();
  await submit({ id: 'a', envelope: { delayMs: 60_000 } });
  await queue.publish('tasks.t', new TextEncoder().encode('null'), { headers: { 'Troupe-Id': 'b' } });
  expect((await why('a')).waitingFor?.reason).toBe('due');
  expect((await why('b')).waitingFor?.reason).toBe('inbox');
});

test('a node serves its pools until it stops, and answers for what it still runs', async () => {
  const { promise: room, resolve: letGo } = Promise.withResolvers<void>();
  const held = defineTask({ name: 'held', input: z.object({}), run: () => room });
  const world = await startWorld(defineApp({ tasks: [held], pools: { default: { workers: { min: 1, max: 1 } } } }));
  const { doors: asked } = world.node;
  const client = await world.client();
  await client.submit(held, {}, { id: 'a' });
  await expect.poll(async () => (await asked.why('held', 'a')).why).toBe('node "n1" runs it, attempt 1');
  await client.submit(held, {}, { id: 'b' });
  const lane = /^pool "default", lane normal: |^no node says that it runs attempt 1: .*answer$/;
  expect((await asked.why('held', 'b')).why).toMatch(lane);
  const stopped = world.close();
  expect((await asked.why('held', 'b')).why).toContain('no node serves pool "default" now');
  expect((await asked.why('held', 'a')).why).toBe('node "n1" runs it, attempt 1');
  letGo();
  await stopped;
});
