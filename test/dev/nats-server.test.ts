import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { onFreePort } from '../../src/dev/free-port.ts';
import { type NatsServerOptions, startNatsServer } from '../../src/dev/nats-server.ts';
import { scratch } from '../setup/scratch.ts';

const directory = async () => {
  const dir = await scratch('troupe-nats-');
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
};

const start = async (options: Partial<NatsServerOptions> = {}) => {
  const server = await startNatsServer({ dir: await directory(), ...options });
  onTestFinished(() => server.stop());
  return server;
};

const connection = async (url: string) => {
  const nc = await connect({ servers: url, reconnect: false });
  onTestFinished(() => nc.close());
  return nc;
};

test('it takes connections on a free port of the loopback interface as soon as it has started', async () => {
  const server = await start();
  const nc = await connection(server.url);
  expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
  expect(nc.info?.jetstream).toBe(true);
});

test('what it has acknowledged is there again after kill -9 and a restart on the same port', async () => {
  const server = await start({ syncInterval: 'always' });
  const before = await connection(server.url);
  await (await jetstreamManager(before)).streams.add({ name: 'KEPT', subjects: ['kept.*'] });
  await jetstream(before).publish('kept.1', 'one');
  await server.kill();
  expect(server.pid).toBeUndefined();
  await server.restart();
  const after = await connection(server.url);
  const { state } = await (await jetstreamManager(after)).streams.info('KEPT');
  expect(state.messages).toBe(1);
});

test('where another takes the port that was free a moment ago, it starts on the next one', async () => {
  const dir = await directory();
  const tried: number[] = [];
  const server = await onFreePort(24_222, async (port) => {
    if (tried.push(port) === 1) await start({ port });
    return start({ dir, port });
  });
  expect(tried).toHaveLength(2);
  expect(server.port).toBe(tried[1]);
  await expect(onFreePort(24_222, () => start({ config: 'nonsense: [' }))).rejects.toThrow('ended before it was ready');
});

test('a second one in the same directory is refused while the first runs', async () => {
  const dir = await directory();
  const server = await start({ dir });
  await expect(startNatsServer({ dir })).rejects.toThrow(`in use by nats-server, process ${server.pid}`);
});

test('it ends when the process that started it is killed', async () => {
  const dir = await directory();
  const script = `
    import { startNatsServer } from ${JSON.stringify(new URL('../../src/dev/nats-server.ts', import.meta.url).href)};
    console.log((await startNatsServer({ dir: ${JSON.stringify(dir)} })).url);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = await once(parent.stdout, 'data');
  const nc = await connection(String(url).trim());
  parent.kill('SIGKILL');
  await nc.closed();
  await expect(connect({ servers: String(url).trim() })).rejects.toThrow();
});

test('a mistake in its configuration is told with the end of its log', async () => {
  const refused = startNatsServer({ dir: await directory(), config: 'no_such_field: 1' });
  await expect(refused).rejects.toThrow(/nats-server ended before it was ready;[^]*no_such_field/);
});

test('a binary that is not there is told by name', async () => {
  const refused = startNatsServer({ dir: await directory(), binary: '/nowhere/nats-server' });
  await expect(refused).rejects.toThrow(/spawn \/nowhere\/nats-server ENOENT/);
});
