import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { startProxy } from './proxy.ts';

/** A server that answers each line in upper case, a proxy before it, and a client of that. */
const echo = async () => {
  const received: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      received.push(String(chunk));
      socket.write(String(chunk).toUpperCase());
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await startProxy(`nats://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const dial = async (): Promise<Socket> => {
    const client = connect(proxy.port, '127.0.0.1');
    client.on('error', () => undefined);
    await once(client, 'connect');
    return client;
  };
  onTestFinished(async () => {
    await proxy.stop();
    server.close();
  });
  return { server, proxy, received, dial };
};

/** Not `once`, which rejects when the connection is broken. */
const closed = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

const ask = async (client: Socket, text: string): Promise<string> => {
  client.write(text);
  const [chunk] = await once(client, 'data');
  return String(chunk);
};

test('it carries both ways what it is given', async () => {
  const { proxy, dial } = await echo();
  expect(await ask(await dial(), 'one')).toBe('ONE');
  expect(proxy.url).toBe(`nats://127.0.0.1:${proxy.port}`);
});

test('a dropped reply was a request that the server saw', async () => {
  const { server, proxy, received, dial } = await echo();
  const accepted = once(server, 'connection');
  const client = await dial();
  const [socket] = await accepted;
  proxy.drop('replies');
  const arrived = once(socket, 'data');
  client.write('lost');
  await arrived;
  expect(received).toEqual(['lost']);
  proxy.cut();
  await closed(client);
  proxy.pass();
  expect(client.bytesRead).toBe(0);
  expect(await ask(await dial(), 'again')).toBe('AGAIN');
});

test('what is paused comes later, whole and in order', async () => {
  const { proxy, dial } = await echo();
  const client = await dial();
  expect(await ask(client, 'before')).toBe('BEFORE');
  proxy.pause('requests');
  client.write('one ');
  client.write('two');
  const answer = once(client, 'data');
  proxy.pass('requests');
  let text = String((await answer)[0]);
  while (text.length < 'one two'.length) text += String((await once(client, 'data'))[0]);
  expect(text).toBe('ONE TWO');
});

test('a delayed reply takes at least as long', async () => {
  const { proxy, dial } = await echo();
  const client = await dial();
  proxy.delay(30, 'replies');
  const start = systemClock.monotonic();
  expect(await ask(client, 'slow')).toBe('SLOW');
  expect(systemClock.monotonic() - start).toBeGreaterThanOrEqual(30);
});

test('refused connections break at once, and are accepted again afterwards', async () => {
  const { proxy, dial } = await echo();
  const client = await dial();
  await ask(client, 'open');
  const broken = closed(client);
  proxy.refuse();
  await broken;
  expect(proxy.connections).toBe(0);
  const refused = connect(proxy.port, '127.0.0.1');
  refused.on('error', () => undefined);
  await closed(refused);
  proxy.accept();
  const accepted = proxy.connected();
  expect(await ask(await dial(), 'hello')).toBe('HELLO');
  await accepted;
});
