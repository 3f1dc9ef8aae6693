import { z } from 'zod';
import { expect, onTestFinished, test } from 'vitest';
import { type ClientSettings, createClient, defineApp, defineTask } from '../../src/index.ts';
import { collect } from '../contract/world.ts';
import { startWorld } from './world.ts';

const hello = defineTask({ name: 'hello', input: z.object({}), output: z.string(), run: async () => 'hello' });
const app = defineApp({ tasks: [hello] });

const connect = async (settings: ClientSettings<typeof app>) => {
  const client = await createClient<typeof app>(settings);
  onTestFinished(() => client.close());
  return client;
};

test.each([
  ['with the app', { app }],
  ['without the app', {}],
])('a client of a region has its tasks run there, %s', async (_, known) => {
  const { url } = await startWorld(app, { region: 'eu' });
  const client = await connect({ nats: url, region: 'eu', ...known });
  const run = await client.submit(hello, {});
  expect(await run.result()).toBe('hello');
});

test('a region that cannot be is refused by its name', async () => {
  await expect(connect({ region: 'e.u' })).rejects.toMatchObject({
    code: 'invalid_name',
    message: expect.stringContaining('e.u'),
  });
});

test('a client tells its log, whatever that is bound to, of a connection that was lost and is back', async () => {
  const { server, url } = await startWorld(app);
  const said = collect<string | undefined>();
  /** As a class's methods are, which work on their object only. */
  const log = {
    said,
    debug() {},
    info(_fields: object | string, message?: string) {
      this.said.push(message);
    },
    warn(_fields: object | string, message?: string) {
      this.said.push(message);
    },
    error() {},
  };
  await connect({ nats: url, log });
  await server.kill();
  await server.restart();
  await expect.poll(() => said.items).toEqual([expect.stringContaining('is lost'), expect.stringContaining('again')]);
});
