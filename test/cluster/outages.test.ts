import { expect, onTestFinished, test, vi } from 'vitest';
import { createClient } from '../../src/connect.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { freshPostgres } from '../setup/servers.ts';
import app, { careless, reckless } from './app.ts';
import { cluster, expectNoneAgain, expectWhole, recordedCalls } from './cluster.ts';

vi.setConfig({ testTimeout: 60_000 });

test('a nats-server that is killed in the middle of a batch and comes back has lost nothing of it', async () => {
  const company = await cluster({ nodes: 2 });
  const { records, nats } = company;
  await company.submit(300);
  await records.until(() => records.ends.size >= 75);
  await nats.kill();
  const before = recordedCalls(company);
  const meanwhile = company.submit(50, null);
  await nats.restart();
  await meanwhile;

  await records.until(() => records.ends.size === 350);
  await expectWhole(company, 350);
  expectNoneAgain(company, before);
});

test('while Postgres is down tasks end as ever, and when it is back it learns of all of them', async () => {
  const postgres = await freshPostgres();
  const company = await cluster({ nodes: 2, database: postgres.url });
  const { records } = company;
  const batchMs = async (prefix: string): Promise<number> => {
    const from = systemClock.monotonic();
    const before = records.ends.size;
    await company.submit(200, prefix);
    await records.until(() => records.ends.size === before + 200);
    return systemClock.monotonic() - from;
  };
  const up = [await batchMs('warm'), await batchMs('up')];
  await postgres.kill();
  const down = await batchMs('down');
  expect(postgres.pid).toBeUndefined();
  console.info(`200 tasks with Postgres in ${up.map(Math.round).join(' and ')} ms, without in ${Math.round(down)} ms`);
  // The same pace, give or take what a busy machine does to one of them.
  expect(down).toBeLessThan(3 * Math.max(...up) + 1_000);

  await postgres.restart();
  await expectWhole(company, 600);
});

/** A node in the middle of five jobs, and a client for what happens beside them. */
const besideFive = async () => {
  const company = await cluster({ nodes: 1 });
  const client = await createClient({ nats: company.nats.url, app });
  onTestFinished(() => client.close());
  await company.hold(5);
  return { company, client };
};

test('a promise that a handler leaves behind is told of when it is rejected, and takes nobody with it', async () => {
  const { company, client } = await besideFive();
  const { ledger, records, nodes } = company;
  await (await client.submit(careless, null)).result();
  await nodes[0]?.logged('a promise was rejected and nobody handles that');
  ledger.release();
  await records.until(() => records.ends.size >= 5);
  expect([...records.all.values()].filter(({ attempt }) => attempt !== 1)).toEqual([]);
});

test('an exception that a handler throws where nobody catches it costs its task an attempt, and those beside it none', async () => {
  const { company, client } = await besideFive();
  const { ledger, records, nodes } = company;
  const run = await client.submit(reckless, null);
  await nodes[0]?.logged('its attempt has failed, and the node stops');
  ledger.release();
  expect(await nodes[0]?.exit).toBe(1);
  expect(await run.status()).toMatchObject({ status: 'dead', attempt: 1, error: { code: 'uncaught_exception' } });

  await company.node('node-2');
  await records.until(() => records.ends.size >= 6);
  const jobs = [...records.all.values()].filter(({ type }) => type === 'job');
  expect(jobs.map(({ status, attempt }) => [status, attempt])).toEqual(Array(5).fill(['completed', 1]));
});
