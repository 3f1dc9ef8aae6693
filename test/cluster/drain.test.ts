import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Cluster, cluster, expectWhole } from './cluster.ts';

vi.setConfig({ testTimeout: 60_000 });

/** What the server says of the lane that the jobs wait in. */
const lane = async ({ nats }: Cluster) => {
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  return (await jetstreamManager(connection)).consumers.info('WORK_jobs', 'jobs-normal');
};

const expectOneAttemptEach = ({ records, ledger }: Cluster): void => {
  expect([...records.all.values()].filter(({ attempt }) => attempt !== 1)).toEqual([]);
  expect([...ledger.calls].filter(([, times]) => times !== 1)).toEqual([]);
};

test('a node that is asked to stop ends what it has begun, takes nothing more, and hands nothing out again', async () => {
  const company = await cluster({ nodes: 1, ackWait: '30s' });
  const { ledger, records, nodes } = company;
  const [node] = nodes;
  ledger.hold('between');
  await company.submit(60);
  await ledger.held(10);

  node?.kill('SIGTERM');
  await node?.logged('the node drains');
  node?.kill('SIGTERM'); // Twice is no more than once.
  ledger.release();
  expect(await node?.exit).toBe(0);
  await records.until(() => records.ends.size === 10);
  expect(records.all.size).toBe(10);
  expect(await lane(company)).toMatchObject({ num_redelivered: 0, num_ack_pending: 0, num_pending: 50 });

  await company.node('node-2');
  await records.until(() => records.ends.size === 60);
  await expectWhole(company, 60);
  expectOneAttemptEach(company);
  // Each was handed out once.
  expect((await lane(company)).delivered.consumer_seq).toBe(60);
});

test('a node that is asked to stop in the middle of a rush repeats no task', async () => {
  const company = await cluster({ nodes: 2, ackWait: '30s' });
  const { records, nodes } = company;
  const submitting = company.submit(300);
  await records.until(() => records.ends.size >= 50);
  nodes[0]?.kill('SIGTERM');
  expect(await nodes[0]?.exit).toBe(0);
  await submitting;
  await records.until(() => records.ends.size === 300);
  await expectWhole(company, 300);
  expectOneAttemptEach(company);
});
