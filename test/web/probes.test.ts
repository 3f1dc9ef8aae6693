import { networkInterfaces } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/dev/free-port.ts';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { probeDoor } from '../../src/web/probes.ts';

const open = async (ready = true) => {
  const life = new AbortController();
  const port = await freePort();
  const state = { ready, nats: true, store: ready };
  const metrics = createMetrics();
  const { exit } = await probeDoor({ port, metrics, clock, log, ready: async () => state })(life.signal);
  onTestFinished(async () => {
    life.abort();
    await exit;
  });
  return { port, metrics };
};

/** As another machine names this one. */
const outside = (): string =>
  Object.values(networkInterfaces())
    .flat()
    .find((each) => each?.family === 'IPv4' && !each.internal)?.address ?? '127.0.0.2';

test('other machines are told whether a node is well, and its numbers', async () => {
  const { port, metrics } = await open();
  metrics.submitted.labels('echo').inc();
  const ask = (path: string): Promise<Response> => fetch(`http://${outside()}:${port}${path}`);
  expect(await (await ask('/livez')).text()).toBe('ok\n');
  const ready = await ask('/readyz');
  expect([ready.status, await ready.json()]).toEqual([200, { ready: true, nats: true, store: true }]);
  expect(await (await ask('/metrics')).text()).toContain('troupe_submitted_total{type="echo"} 1');
});

test('who is not ready is said to be so', async () => {
  const { port } = await open(false);
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
});

test('nobody can work on tasks there', async () => {
  const { port } = await open();
  for (const [path, method] of [
    ['/tasks/echo', 'POST'],
    ['/tasks/echo/a', 'GET'],
    ['/tasks/echo/a/cancel', 'POST'],
    ['/groups/a', 'GET'],
    ['/livez', 'POST'],
  ] as const) {
    const { status } = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    expect(status, `${method} ${path}`).toBe(404);
  }
});

test('a port that is taken is named by its setting', async () => {
  const { port } = await open();
  const ready = async () => ({ ready: true, nats: true, store: true });
  const again = probeDoor({ port, metrics: createMetrics(), clock, log, ready });
  await expect(again(new AbortController().signal)).rejects.toMatchObject({
    code: 'configuration',
    message: expect.stringContaining(`PROBE_PORT: ${port} is taken`),
  });
});
