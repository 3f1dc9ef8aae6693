import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../src/kernel/metrics.ts';

const lines = async (metrics: ReturnType<typeof createMetrics>, name: string): Promise<readonly string[]> =>
  (await metrics.text()).split('\n').filter((line) => line.startsWith(name));

describe('metrics', () => {
  test('count by their labels', async () => {
    const metrics = createMetrics();
    metrics.tasks.labels('summarise', 'completed').inc();
    metrics.tasks.labels('summarise', 'completed').inc(2);
    metrics.tasks.labels('summarise', 'dead').inc();
    expect(await lines(metrics, 'troupe_tasks_total')).toEqual([
      'troupe_tasks_total{type="summarise",outcome="completed"} 3',
      'troupe_tasks_total{type="summarise",outcome="dead"} 1',
    ]);
  });

  test('are scraped as often as one likes', async () => {
    const metrics = createMetrics();
    metrics.projected.labels().inc(5);
    await metrics.text();
    expect(await lines(metrics, 'troupe_projected_total')).toEqual(['troupe_projected_total 5']);
  });

  test('hold on to one series for the same values', () => {
    const metrics = createMetrics();
    expect(metrics.badInput.labels('invalid_json')).toBe(metrics.badInput.labels('invalid_json'));
  });

  test('have levels that go up and down', async () => {
    const metrics = createMetrics();
    metrics.poolWorkers.labels('default').set(4);
    metrics.poolBusy.labels('default').inc(3);
    metrics.poolBusy.labels('default').dec();
    expect(await lines(metrics, 'troupe_pool_')).toEqual([
      'troupe_pool_workers{pool="default"} 4',
      'troupe_pool_busy{pool="default"} 2',
    ]);
  });

  test('have spreads with buckets', async () => {
    const metrics = createMetrics();
    metrics.attemptSeconds.labels('summarise').observe(0.02);
    expect(await lines(metrics, 'troupe_task_attempt_seconds_bucket{le="0.025"')).toEqual([
      'troupe_task_attempt_seconds_bucket{le="0.025",type="summarise"} 1',
    ]);
  });

  test('count what has too many names as other, so that nobody fills the memory with task types', async () => {
    const metrics = createMetrics();
    for (let n = 0; n < 3_000; n += 1) metrics.tasks.labels(`made-up-${n}`, 'dead').inc();
    const shown = await lines(metrics, 'troupe_tasks_total');
    expect(shown).toHaveLength(1_001);
    expect(shown.at(-1)).toBe('troupe_tasks_total{type="other",outcome="other"} 2000');
  });

  test('of two runtimes share nothing', async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.projected.labels().inc();
    expect(await lines(other, 'troupe_projected_total')).toEqual(['troupe_projected_total 0']);
  });
});
