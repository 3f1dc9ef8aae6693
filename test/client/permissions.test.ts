import { readFile } from 'node:fs/promises';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { createClient, defineApp, defineTask } from '../../src/index.ts';
import { startWorld } from './world.ts';

const { promise: never } = Promise.withResolvers<void>();
/** Its pool has a place for one. */
const crowded = defineTask({ name: 'crowded', pool: 'tiny', input: z.object({}), run: () => never });
const input = new TextEncoder().encode('{}');
const hello = defineTask({ name: 'hello', input: z.object({}), output: z.string(), run: async () => 'hello' });
const pools = { tiny: { workers: { min: 1, max: 1 }, queue: { max: 1 } } };
const app = defineApp({ tasks: [hello, crowded], pools });

/** The users that our configuration offers, with passwords that are their names. */
const users = async (): Promise<string> => {
  const text = await readFile(new URL('../../deploy/nats.conf', import.meta.url), 'utf8');
  const [block = ''] = /^# authorization \{\n(?:# .*\n)*?# \}$/m.exec(text) ?? [];
  return block.replaceAll(/^# /gm, '').replaceAll(/\$TROUPE_(\w+)_PASSWORD/g, (_, user: string) => user.toLowerCase());
};

const open = async () => startWorld(app, { config: `${await users()}\nno_auth_user: node` });
let world: Awaited<ReturnType<typeof open>>;
beforeAll(async () => {
  world = await open();
});

const connect = async (user: string, known: { readonly app?: typeof app } = {}) => {
  const client = await createClient<typeof app>({ nats: world.url, credentials: { user, password: user }, ...known });
  onTestFinished(() => client.close());
  return client;
};

test.each([
  ['client', 'without the app', {}],
  ['edge', 'with the app', { app }],
] as const)('what deploy/nats.conf lets a %s do is all that a client does, %s', async (user, _how, known) => {
  const client = await connect(user, known);
  const run = await client.submit(hello, {}, { id: `a-${user}`, group: user });
  expect(await run.result()).toBe('hello');
  for await (const event of run.events()) if (event.type === 'completed') break;
  expect(await run.status()).toMatchObject({ status: 'completed' });
  await expect.poll(() => client.group(user).counts()).toMatchObject({ completed: 1 });
  expect(await client.submitMany(hello, [{ input: {} }])).toMatchObject({ accepted: 1 });
  const delayed = await client.submit(hello, {}, { delay: '1h' });
  expect(await delayed.status()).toMatchObject({ waitingFor: { reason: 'due' } });
  await delayed.cancel();
  expect(await delayed.status()).toMatchObject({ status: 'cancelled' });
  for (const id of ['a', 'b'])
    await world.node.queue.publish('tasks.crowded', input, { headers: { 'Troupe-Id': id + user } });
  const unplaced = client.run(crowded, `b${user}`);
  expect(await unplaced.status()).toMatchObject({ status: 'queued', waitingFor: { reason: 'inbox' } });
  await unplaced.cancel();
  expect(await unplaced.status()).toMatchObject({ status: 'cancelled' });
  expect(world.lines).toEqual([]);
});

test('what a user may not do is refused at once, by the subject that the permissions lack', async () => {
  const client = await connect('submitter', { app });
  await expect(client.submit(hello, {})).rejects.toMatchObject({
    code: 'configuration',
    message: expect.stringMatching(/work\.main\.default\.normal\.0\.hello\..*does not let this user publish there/),
  });
});
