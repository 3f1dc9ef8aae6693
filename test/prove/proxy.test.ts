import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startProxy } from '../../prove/proxy.ts';
import { seededRandom } from '../../src/kernel/random.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server that says back what it is told, and notes it. */
const echo = async () => {
  const told: string[] = [];
  const server = createServer((socket) => {
    socket.on('data', (chunk) => {
      told.push(String(chunk));
      socket.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close());
  const address = server.address();
  return { told, port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
};

const proxied = async (to: number) => {
  const proxy = await startProxy({ to, random: seededRandom(1) });
  ends.push(proxy.stop);
  return proxy;
};

const dial = async (port: number): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  ends.push(() => socket.destroy());
  return socket;
};

const heard = async (socket: Socket): Promise<string> => String((await once(socket, 'data'))[0]);

describe('the proxy', () => {
  it('hands on, both ways', async () => {
    const { port } = await echo();
    const socket = await dial((await proxied(port)).port);
    socket.write('hello');
    expect(await heard(socket)).toBe('hello');
  });

  it('lets nothing through while it is cut, and all of it afterwards', async () => {
    const { port, told } = await echo();
    const proxy = await proxied(port);
    const [through, past] = [await dial(proxy.port), await dial(port)];
    through.write('before');
    expect(await heard(through)).toBe('before');
    proxy.cut();
    through.write('late');
    for (let n = 0; n < 20; n += 1) {
      past.write(`past ${n}`);
      await heard(past);
    }
    expect(told).not.toContain('late');
    proxy.heal();
    expect(await heard(through)).toBe('late');
  });

  it('keeps a connection waiting that is opened while it is cut', async () => {
    const { port } = await echo();
    const proxy = await proxied(port);
    proxy.cut();
    const socket = await dial(proxy.port);
    socket.write('patient');
    proxy.heal();
    expect(await heard(socket)).toBe('patient');
  });

  it('keeps the order of what it delays', async () => {
    const { port, told } = await echo();
    const proxy = await proxied(port);
    proxy.delay(5);
    const socket = await dial(proxy.port);
    const all = Array.from({ length: 50 }, (_, n) => `${n},`);
    let said = '';
    const complete = new Promise<void>((resolve) => {
      socket.on('data', (chunk) => {
        said += String(chunk);
        if (said.endsWith('49,')) resolve();
      });
    });
    for (const one of all) {
      socket.write(one);
      await new Promise(setImmediate);
    }
    await complete;
    expect(said).toBe(all.join(''));
    expect(told.join('')).toBe(all.join(''));
  });

  it('closes what one end has closed', async () => {
    const { port } = await echo();
    const socket = await dial((await proxied(port)).port);
    socket.end();
    socket.resume();
    await once(socket, 'close');
  });
});
