import { expect, test } from 'vitest';
import { freePort } from '../../src/dev/free-port.ts';
import { cluster, expectWhole } from './cluster.ts';
import { connectTo } from '../bus/nats/link.ts';

test('a node without a database knows of a task that only the history has, by a node that has one', async () => {
  const whole = await cluster({ nodes: 1 });
  await whole.submit(1);
  await whole.records.until(() => whole.records.ends.has('job-0'));
  await expectWhole(whole, 1);
  const { queue } = await connectTo(whole.nats.url);
  expect(await queue.purge('KV_tasks', '$KV.tasks.job.job-0')).toBe(1);
  const port = String(await freePort());
  await whole.node('without', { DATABASE_URL: 'none', HTTP_PORT: port });
  const answer = await fetch(`http://127.0.0.1:${port}/tasks/job/job-0`);
  expect([answer.status, await answer.json()]).toEqual([
    200,
    expect.objectContaining({ status: 'completed', output: { n: 0 } }),
  ]);
});
