import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { connectNats } from '../../src/bus/nats/connection.ts';
import { processStat } from '../../src/dev/proc.ts';
import { documentsIn, itemsOf } from '../../src/dev/start/batch.ts';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { systemRandom as random } from '../../src/kernel/random.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { decodeRecord, isTerminal } from '../../src/task/record.ts';
import { folder, type NpmStart, npmStart } from './npm-start.ts';

vi.setConfig({ testTimeout: 120_000 });

const documents = 60;

const nodePids = async (start: NpmStart): Promise<readonly number[]> => {
  const found = await Promise.all([start.says(/node-a .*process (\d+)$/), start.says(/node-b .*process (\d+)$/)]);
  return found.map(([, pid]) => Number(pid));
};

/** Answers whether it is ours: somebody else may have it, or just look whether it is free. */
const takePort = async (port: number): Promise<boolean> => {
  const server = createServer().listen(port, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve).once('error', resolve));
  onTestFinished(() => void server.close());
  return server.listening;
};

const query = async <Row extends pg.QueryResultRow>(dir: string, sql: string): Promise<readonly Row[]> => {
  const db = new pg.Client((await readFile(join(dir, 'postgres.url'), 'utf8')).trim());
  await db.connect();
  try {
    return (await db.query<Row>(sql)).rows;
  } finally {
    await db.end();
  }
};

/** How many tasks of the batch have a record that says that they have ended. */
const endedInKv = async (url: string, batch: string): Promise<number> => {
  const { queue, bus } = await connectNats({ servers: url, name: 'test', clock, random, log });
  try {
    const corpus = await documentsIn(new URL('../../examples/corpus/', import.meta.url));
    const keys = itemsOf(batch, corpus.slice(0, documents)).map(({ key }) => key);
    const entries = await bucket(queue, 'tasks').getMany(keys);
    return [...entries.values()].filter(({ value }) => isTerminal(decodeRecord(value) ?? { status: '' })).length;
  } finally {
    await bus.close();
  }
};

const state = z.object({ batch: z.string(), finished: z.boolean() });

test('everything killed in the middle of a batch, the next start ends that batch, and pays for nothing twice', async () => {
  const dir = await folder();
  // What others have, or what an earlier version has left, must not matter.
  await writeFile(join(dir, 'state.json'), '{"v":1,"batch"');
  const isTaken = await takePort(4222);

  const first = npmStart(dir, documents);
  const [, nats] = await first.says(/nats-server +nats:\/\/127\.0\.0\.1:(\d+)$/);
  expect(isTaken && nats === '4222').toBe(false);
  await first.says(/state\.json\.broken: this is a new batch/);
  const [, batch = ''] = await first.says(/^Batch (\w+): 60 documents .*, 180 tasks$/);

  const second = npmStart(dir, documents);
  expect(await second.exit).toBe(1);
  expect(second.lines).toEqual([expect.stringContaining(`running here already, as process ${first.pid};`)]);

  await first.says(/the first result: summarise /);
  await first.says(/killed node-b/);
  first.kill('SIGKILL');
  for (const pid of await nodePids(first)) if (await processStat(pid)) process.kill(pid, 'SIGKILL');
  await first.exit;
  expect(first.lines.join('\n')).not.toContain('have ended');
  // So that no node is killed again: what the model is asked from now on is then known to the call.
  const before = state.parse(JSON.parse(await readFile(join(dir, 'state.json'), 'utf8')));
  expect(before).toMatchObject({ batch, finished: false });
  await writeFile(join(dir, 'state.json'), JSON.stringify({ ...before, v: 1, documents, killed: true }));

  const beganAt = new Date();
  const third = npmStart(dir, documents);
  await third.says(/The last batch was not finished: it goes on/);
  await third.says(new RegExp(`^Batch ${batch}: 60 documents .*, 180 tasks$`));
  await third.says(/\d+ of 180 have ended; those that were under way go on/);
  await third.says(/all 180 tasks have ended/);
  await third.says(/together +\d+ +\d+ +\d+$/);
  await third.says(/agreement +180 of 180 rows in Postgres, 180 records in KV: all equal$/);
  const [, answered] = await third.says(/the model's own log since this start: (\d+) answered, 0 refused with 429/);
  await third.says(/Ctrl-C/);

  const [, url = ''] = await third.says(/nats-server +(nats:\S+)$/);
  expect(await endedInKv(url, batch)).toBe(180);
  const rows = await query(
    dir,
    `select count(*)::int as tasks, count(distinct (type, id))::int as names from tasks
     where "group" = '${batch}' and status in ('completed', 'failed', 'dead')`,
  );
  expect(rows).toEqual([{ tasks: 180, names: 180 }]);
  const asks = await query<{ readonly at: string }>(dir, `select at from steps where name = 'model:fast'`);
  expect(asks).toHaveLength(180);
  const since = asks.filter(({ at }) => new Date(at) >= beganAt);
  expect(since.length).toBeLessThan(180);
  expect(Number(answered)).toBe(since.length);

  const nodes = await nodePids(third);
  third.kill('SIGINT');
  await third.says(/stopping: the nodes finish what they have begun$/);
  expect(await third.exit).toBe(0);
  expect(third.lines.at(-1)).toMatch(/ stopped$/);
  expect(await Promise.all(nodes.map(processStat))).toEqual([undefined, undefined]);
});

test('what it does not understand it says, with what it does', async () => {
  const dir = await folder();
  const start = npmStart(dir, 0);
  expect(await start.exit).toBe(2);
  expect(start.lines.join('\n')).toContain('--documents takes a count from 1 on, not "0"');
});
