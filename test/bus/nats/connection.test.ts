import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { parseServers } from '../../../src/bus/nats/servers.ts';
import { bytes } from '../../contract/world.ts';
import { freshNats } from '../../setup/servers.ts';
import { connectTo, serverApi } from './link.ts';

test('servers are given as a list or by commas, with credentials or without', () => {
  const addresses = ['nats://a:4222', 'nats://b:4222'];
  expect(parseServers('nats://a:4222, nats://b:4222')).toEqual({ addresses, credentials: {} });
  expect(parseServers(addresses)).toEqual({ addresses, credentials: {} });
  const named = parseServers('nats://me:p%40ss:word@a:4222');
  expect(named).toEqual({ addresses: ['nats://a:4222'], credentials: { user: 'me', pass: 'p@ss:word' } });
  expect(parseServers('secret@a:4222')).toEqual({ addresses: ['a:4222'], credentials: { token: 'secret' } });
});

test('a server that is not there is unavailable, by its address and without the password', async () => {
  const failed = connectTo('nats://me:secret@127.0.0.1:1');
  await expect(failed).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('127.0.0.1:1') });
  await expect(failed).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
});

test('credentials in the URL let in, wrong ones do not', async () => {
  const server = await freshNats({ config: 'authorization { user: "me", password: "secret" }' });
  const url = (login: string): string => server.url.replace('://', `://${login}@`);
  await (await connectTo(url('me:secret'))).bus.flush();
  await expect(connectTo(url('me:wrong'))).rejects.toMatchObject({ code: 'unavailable' });
  await expect(connectTo(server.url)).rejects.toMatchObject({ code: 'unavailable' });
});

test('a server that is too old is told from one that is not there, by its version', async () => {
  const info = {
    server_id: 'old',
    version: '2.9.10',
    host: '127.0.0.1',
    proto: 1,
    max_payload: 1_048_576,
    headers: true,
  };
  const old = createServer((socket) => {
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on('data', (data) => data.includes('PING') && socket.write('PONG\r\n'));
    socket.on('error', () => {});
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void old.close());
  await once(old, 'listening');
  const { port } = old.address() as AddressInfo; // it listens on a port, not on a pipe
  await expect(connectTo(`nats://127.0.0.1:${port}`)).rejects.toMatchObject({
    code: 'configuration',
    mistakes: ['NATS_URL: the nats-server at 127.0.0.1 is version 2.9.10; Troupe needs 2.15 or later'],
  });
});

test('the account’s limit is known', async () => {
  const config = `accounts { A { jetstream { max_file: 10MB }, users: [{ user: "a", password: "a" }] } }
no_auth_user: a`;
  const server = await freshNats({ config });
  const link = await connectTo(server.url);
  expect(await link.queue.storageLimit()).toBe(10 * 2 ** 20);
  await link.queue.ensureStream({ name: 'LOG', subjects: ['log.>'], keep: 'limits' });
  const publish = () => link.queue.publish('log.a', new Uint8Array(1_000_000));
  await expect(Promise.all(Array.from({ length: 11 }, publish))).rejects.toMatchObject({ code: 'refused' });
});

test('without JetStream everything about streams is unavailable', async () => {
  const config = 'accounts { A { users: [{ user: "a", password: "a" }] } }\nno_auth_user: a';
  const server = await freshNats({ config });
  const { queue } = await connectTo(server.url);
  await expect(queue.streamInfo('LOG')).rejects.toMatchObject({ code: 'unavailable' });
  await expect(queue.publish('log.a', bytes('x'))).rejects.toMatchObject({ code: 'unavailable' });
});

test('answers come to the inbox that was asked for', async () => {
  const server = await freshNats();
  const link = await connectTo(server.url, { inboxPrefix: '_INBOX_me' });
  const other = await connectTo(server.url);
  const replies: string[] = [];
  other.bus.subscribe('who', ({ reply }) => {
    replies.push(reply ?? '');
    if (reply) other.bus.publish(reply, bytes('me'));
  });
  await other.bus.flush();
  await link.bus.request('who', bytes(''));
  expect(replies[0]).toMatch(/^_INBOX_me\./);
  await serverApi(link, 'INFO');
});
