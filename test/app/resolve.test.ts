import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineApp, schedule } from '../../src/app/app.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { defineTask } from '../../src/app/task.ts';
import { loose, mistakesOf, task } from './apps.ts';

describe('an app without a word of configuration', () => {
  const app = resolveApp(defineApp({ tasks: [task('a')] }));

  test('has the default pool, with every default', () => {
    expect([...app.pools]).toEqual([
      [
        'default',
        {
          name: 'default',
          lanes: {
            high: { weight: 8, reserve: 0 },
            normal: { weight: 4, reserve: 0 },
            low: { weight: 1, reserve: 0 },
          },
          workers: { min: 1, max: 10 },
          serves: undefined,
          queue: { max: 1_000_000 },
        },
      ],
    ]);
  });

  test('has a task with every default, durations in ms', () => {
    expect(app.tasks.get('a')).toMatchObject({
      name: 'a',
      pool: 'default',
      timeoutMs: 600_000,
      deadlineMs: undefined,
      retry: { max: 5, firstMs: 1_000, factor: 2, maxMs: 300_000 },
    });
  });

  test('has no schedules, no rules and no deps', async () => {
    expect(app).toMatchObject({ schedules: [], rules: [], version: undefined });
    expect(await app.deps(new AbortController().signal)).toBeUndefined();
  });

  test('cannot be changed', () => {
    const pool = app.pools.get('default');
    for (const part of [app, pool, pool?.lanes, pool?.lanes.high, pool?.workers, pool?.queue, app.tasks.get('a')])
      expect(Object.isFrozen(part)).toBe(true);
  });

  test('is an app even without tasks', () => {
    expect(resolveApp(defineApp({})).tasks.size).toBe(0);
  });
});

describe('what an app says', () => {
  test('replaces defaults one by one', () => {
    const app = resolveApp(
      defineApp({
        pools: {
          default: { workers: { max: 3 } },
          big: { workers: { min: 20 }, lanes: { high: { reserve: 2 }, low: { weight: 2 } }, queue: { max: 500 } },
          idle: { workers: { min: 0 } },
        },
        tasks: [
          task('a', { pool: 'big', timeout: '2m', deadline: '7d', retry: { max: 1, backoff: { first: '10m' } } }),
        ],
      }),
    );
    expect(app.pools.get('default')?.workers).toEqual({ min: 1, max: 3 });
    expect(app.pools.get('idle')?.workers).toEqual({ min: 0, max: 10 });
    expect(app.pools.get('big')).toMatchObject({
      workers: { min: 20, max: 20 },
      lanes: { high: { weight: 8, reserve: 2 }, low: { weight: 2, reserve: 0 } },
      queue: { max: 500 },
    });
    expect(app.tasks.get('a')).toMatchObject({
      pool: 'big',
      timeoutMs: 120_000,
      deadlineMs: 604_800_000,
      retry: { max: 1, firstMs: 600_000, factor: 2, maxMs: 600_000 },
    });
  });

  test('may be empty where this version has nothing yet', () => {
    expect(mistakesOf(defineApp({ tasks: [task('a')], agents: [], budgets: {}, models: {} }))).toEqual([]);
  });

  test('hands deps the signal and waits for them', async () => {
    const { signal } = new AbortController();
    const app = resolveApp(defineApp({ deps: async (given) => ({ given }) }));
    expect(await app.deps(signal)).toEqual({ given: signal });
  });
});

describe('schedules', () => {
  const nightly = (options: object) =>
    resolveApp(loose({ schedules: [{ name: 's', task: 'a', input: {}, cron: '0 2 * * *', ...options }] })).schedules[0];

  test('become what NATS takes', () => {
    expect(nightly({})).toEqual({ name: 's', task: 'a', input: {}, overlap: 'skip', when: { cron: '0 0 2 * * *' } });
    expect(nightly({ cron: { every: '5m' }, overlap: 'allow' })).toMatchObject({
      when: { every: 300_000 },
      overlap: 'allow',
    });
  });

  test('name their zone as the zone database does', () => {
    expect(nightly({ timezone: 'europe/berlin' })?.when).toEqual({ cron: '0 0 2 * * *', timezone: 'Europe/Berlin' });
  });

  test('are made from the task itself', () => {
    const a = task('a');
    const app = resolveApp(
      defineApp({ tasks: [a], schedules: [schedule(a, { name: 's', cron: '@daily', input: { n: 1 } })] }),
    );
    expect(app.schedules).toMatchObject([{ task: 'a', input: { n: 1 }, when: { cron: '0 0 0 * * *' } }]);
  });

  test('leave the input of a schema that waits to the firing', () => {
    const slow = defineTask({ name: 'slow', input: z.string().refine(async () => false), run: async () => {} });
    const app = defineApp({ tasks: [slow], schedules: [schedule(slow, { name: 's', cron: '@daily', input: 'x' })] });
    expect(mistakesOf(app)).toEqual([]);
  });
});

describe('a mistake', () => {
  test('hides no other: all are told at once', () => {
    const app = loose({
      pools: { p: { workers: { max: -1 } }, q: { wrokers: {} } },
      clasify: [],
      tasks: [
        task('a', { pool: 'x', timeout: 'soon' }),
        task('b.c'),
        defineTask({ name: 'd', input: z.object({}), pool: 'y' }),
      ],
      schedules: [{ name: 's', task: 'a', cron: 'never', input: {} }],
    });
    expect(mistakesOf(app)).toHaveLength(9);
  });

  test.each([undefined, null, 5, 'app', {}, [], () => {}, { tasks: [] }])(
    'of exporting no app at all is told: %j',
    (value) => {
      expect(mistakesOf(value)).toEqual([
        'this is no app: the module needs `export default defineApp({ tasks: [...] })`',
      ]);
    },
  );

  test('is never anything but a ConfigurationError, and told briefly', () => {
    const anything = fc.anything({ withNullPrototype: true, maxDepth: 4 });
    const app = fc.record({
      tasks: fc.array(anything),
      schedules: fc.array(anything),
      config: fc.dictionary(fc.string(), anything),
    });
    fc.assert(
      fc.property(app, (value) => {
        for (const mistake of mistakesOf(value)) expect(mistake.length).toBeLessThan(2_000);
      }),
    );
  });
});

test('a complete app always resolves, with lanes and workers in order', () => {
  const pool = fc.record(
    {
      workers: fc.record({ min: fc.nat(50), max: fc.integer({ min: 50, max: 100 }) }),
      lanes: fc.dictionary(fc.constantFrom('high', 'normal', 'low'), fc.record({ reserve: fc.nat(16) })),
    },
    { requiredKeys: ['workers'] },
  );
  const pools = fc.dictionary(fc.stringMatching(/^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$/), pool);
  fc.assert(
    fc.property(pools, (given) => {
      const app = resolveApp(loose({ pools: given }));
      expect(new Set(app.pools.keys())).toEqual(new Set(['default', ...Object.keys(given)]));
      for (const { workers, lanes } of app.pools.values()) {
        expect(workers.min).toBeLessThanOrEqual(workers.max);
        expect(lanes.high.reserve + lanes.normal.reserve + lanes.low.reserve).toBeLessThan(workers.max);
      }
    }),
  );
});
