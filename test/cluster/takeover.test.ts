import { expect, test, vi } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { cluster, expectNoneAgain, expectWhole, recordedCalls } from './cluster.ts';

vi.setConfig({ testTimeout: 60_000 });

test('the tasks of a node that is killed start elsewhere after the ack wait, and go on from their last step', async () => {
  const company = await cluster({ nodes: 1 });
  const { ledger, records, nodes } = company;
  await company.hold(10);
  await company.node('node-2');

  const killedMs = systemClock.monotonic();
  nodes[0]?.kill('SIGKILL');
  await ledger.held(0);
  await ledger.held(10);
  const recoveryMs = systemClock.monotonic() - killedMs;
  console.info(`all 10 tasks of a killed node had started elsewhere ${Math.round(recoveryMs)} ms after it`);
  ledger.release();
  await records.until(() => records.ends.size === 10);

  await expectWhole(company, 10);
  expect([...records.all.values()].filter(({ attempt, failures }) => attempt !== 2 || failures !== 0)).toEqual([]);
  expect([...records.all.values()].filter(({ worker }) => !worker?.startsWith('node-2.'))).toEqual([]);
  const expected = Array.from({ length: 10 }, (_, n): [string, number][] => [
    [`job-${n}.one`, 1],
    [`job-${n}.between`, 2],
    [`job-${n}.two`, 1],
  ]);
  expect(new Map(ledger.calls)).toEqual(new Map(expected.flat()));
});

test('a node that stood still for longer than the ack wait runs no step that another has run meanwhile', async () => {
  const company = await cluster({ nodes: 1 });
  const { ledger, records, nodes } = company;
  await company.hold(10);
  await company.node('node-2');
  nodes[0]?.kill('SIGSTOP');
  await ledger.held(20);
  ledger.release();
  await records.until(() => records.ends.size === 10);

  nodes[0]?.kill('SIGCONT');
  nodes[0]?.kill('SIGTERM'); // It ends when its handlers are over.
  expect(await nodes[0]?.exit).toBe(0);
  await expectWhole(company, 10);
  const twos = [...ledger.calls].filter(([call]) => call.endsWith('.two'));
  expect(twos.map(([, times]) => times)).toEqual(Array(10).fill(1));
});

test('a batch whose only node is killed goes on when that is started again: each task ends once', async () => {
  const company = await cluster({ nodes: 1 });
  const { records, nodes } = company;
  const submitting = company.submit(300);
  await records.until(() => records.ends.size >= 100);
  nodes[0]?.kill('SIGKILL');
  await nodes[0]?.exit;
  await submitting;
  const before = recordedCalls(company);
  expect(records.ends.size).toBeLessThan(300);

  await company.node('node-1');
  await records.until(() => records.ends.size === 300);
  await expectWhole(company, 300);
  expectNoneAgain(company, before);
});

test('two of three nodes are killed in turn, and the third ends the batch', async () => {
  const company = await cluster({ nodes: 3 });
  const { records, nodes } = company;
  const submitting = company.submit(300);
  await records.until(() => records.ends.size >= 75);
  nodes[0]?.kill('SIGKILL');
  await nodes[0]?.exit;
  const first = recordedCalls(company);
  await records.until(() => records.ends.size >= 150);
  nodes[1]?.kill('SIGKILL');
  await nodes[1]?.exit;
  const second = recordedCalls(company);

  await submitting;
  await records.until(() => records.ends.size === 300);
  await expectWhole(company, 300);
  expectNoneAgain(company, first);
  expectNoneAgain(company, second);
});
