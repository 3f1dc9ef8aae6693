import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Run } from '../../src/client/types.ts';
import { createClient } from '../../src/connect.ts';
import { freshDatabase, freshNats } from '../setup/servers.ts';
import app, { limited, plain } from './budget-app.ts';
import { type NodeProcess, spawnNode } from './node.ts';

vi.setConfig({ testTimeout: 60_000 });

const soon = { timeout: 15_000, interval: 50 };

type Limited = Run<NonNullable<typeof limited.output>>;

const opened = async () => {
  const [nats, database] = await Promise.all([freshNats(), freshDatabase()]);
  const client = await createClient({ nats: nats.url, app });
  onTestFinished(() => client.close());
  const node = async (name: string): Promise<NodeProcess> => {
    const started = spawnNode({
      NATS_URL: nats.url,
      DATABASE_URL: database,
      TROUPE_APP: fileURLToPath(new URL('budget-app.ts', import.meta.url)),
      TROUPE_ACK_WAIT: '2s',
      TROUPE_NODE: name,
      HTTP_PORT: '0',
    });
    await started.logged('the node runs');
    return started;
  };
  const submit = (count: number): Promise<readonly Limited[]> =>
    Promise.all(Array.from({ length: count }, () => client.submit(limited, {})));
  return { client, node, submit };
};

const completed = async (runs: readonly Limited[]): Promise<number> =>
  (await Promise.all(runs.map((run) => run.status()))).filter(({ status }) => status === 'completed').length;

/** Resolves when the status of some of them says so. */
const saysBudget = async (runs: readonly Limited[]): Promise<void> => {
  const reasons = async () =>
    (await Promise.all(runs.map((run) => run.status()))).map((state) => state.waitingFor?.reason);
  await expect.poll(reasons, soon).toContain('budget');
};

const expectWithinBudget = async (runs: readonly Limited[]): Promise<void> => {
  const results = await Promise.all(runs.map((run) => run.result()));
  const starts = results.map(({ startedAt }) => startedAt).toSorted((a, b) => a - b);
  const spans = starts.slice(5).map((at, n) => at - (starts[n] ?? 0));
  expect(spans.filter((ms) => ms < 999)).toEqual([]);
};

test('no more tasks start than their budget allows, and others run while they wait', async () => {
  const { client, node, submit } = await opened();
  await node('node-1');
  const runs = await submit(20);
  await saysBudget(runs);
  const others = await Promise.all(Array.from({ length: 50 }, () => client.submit(plain, {})));
  await Promise.all(others.map((run) => run.result()));
  expect(await completed(runs)).toBeLessThan(20);
  await expectWithinBudget(runs);
  const states = await Promise.all(runs.map((run) => run.status()));
  expect(states.filter(({ attempt }) => attempt !== 1)).toEqual([]);
});

test('what waits on a node that is stopped, and on one that is killed, starts elsewhere, within the budget', async () => {
  const { node, submit } = await opened();
  const first = await node('node-1');
  const runs = await submit(30);
  await saysBudget(runs);
  first.kill('SIGTERM');
  expect(await first.exit).toBe(0);
  const stopped = await completed(runs);
  expect(stopped).toBeLessThan(30);
  expect((await Promise.all(runs.map((run) => run.status()))).filter(({ attempt }) => attempt > 1)).toEqual([]);

  const second = await node('node-2');
  await expect.poll(() => completed(runs), soon).toBeGreaterThan(stopped + 5);
  second.kill('SIGKILL');
  await second.exit;
  expect(await completed(runs)).toBeLessThan(30);
  await node('node-3');
  await expectWithinBudget(runs);
  // Only what had begun when its node died may have lost that attempt.
  const states = await Promise.all(runs.map((run) => run.status()));
  expect(states.filter(({ attempt }) => attempt !== 1).length).toBeLessThanOrEqual(2);
});
