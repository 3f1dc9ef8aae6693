import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineApp, schedule } from '../../src/app/app.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { defineTask } from '../../src/app/task.ts';
import { ConfigurationError } from '../../src/kernel/errors.ts';

const task = (name: string, policy: object = {}) =>
  defineTask({ name, input: z.object({ n: z.number().optional() }), run: async () => {}, ...policy });

/** An app as JavaScript may write it: what no type stands in front of. */
const loose = ({ tasks = [task('a')], schedules = [], ...config }: Record<string, unknown>) => ({
  tasks,
  schedules,
  config,
});

const mistakesOf = (app: unknown): readonly string[] => {
  try {
    resolveApp(app);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.mistakes;
    throw error;
  }
  return [];
};

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
          queue: { max: 1_000_000, ageMs: 604_800_000 },
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
          big: { workers: { min: 20 }, lanes: { high: { reserve: 2 }, low: { weight: 2 } }, queue: { age: '1h' } },
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
      queue: { max: 1_000_000, ageMs: 3_600_000 },
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
  test.each<[string, Record<string, unknown>, string]>([
    [
      'a pool that is not there',
      { tasks: [task('a', { pool: 'documnets' })], pools: { documents: {} } },
      'task "a": pool: there is no pool "documnets"; did you mean "documents"?',
    ],
    [
      'a pool like no other',
      { tasks: [task('a', { pool: 'xyz' })], pools: { bulk: {} } },
      'task "a": pool: there is no pool "xyz"; there are: default, bulk',
    ],
    [
      'all workers reserved',
      { pools: { p: { workers: { max: 3 }, lanes: { high: { reserve: 2 }, low: { reserve: 1 } } } } },
      'pools.p: lanes: they reserve all workers; `reserve` of all lanes together must be less than `workers.max`',
    ],
    ['min above max', { pools: { p: { workers: { min: 3, max: 2 } } } }, 'pools.p: workers: min is more than max'],
    [
      'no workers at all',
      { pools: { p: { workers: { max: 0 } } } },
      'pools.p: workers.max: 0 is no whole number from 1 to 100000',
    ],
    [
      'half a worker',
      { pools: { p: { workers: { max: 1.5 } } } },
      'pools.p: workers.max: 1.5 is no whole number from 1 to 100000',
    ],
    [
      'a number as text',
      { pools: { p: { workers: { max: '5' } } } },
      'pools.p: workers.max: "5" is no whole number from 1 to 100000',
    ],
    [
      'a lane that is not there',
      { pools: { p: { lanes: { hihg: {} } } } },
      'pools.p: lanes: unknown key "hihg"; did you mean "high"?',
    ],
    ['a misspelt key', { pools: { p: { worker: {} } } }, 'pools.p: unknown key "worker"; did you mean "workers"?'],
    [
      'a key that comes later',
      { pools: { p: { perTenant: {} } } },
      'pools.p: "perTenant" is not available in this version; leave it out',
    ],
    [
      'a distribution that comes later',
      { pools: { p: { distribution: 'hash' } } },
      'pools.p: distribution: only "pull" is available in this version',
    ],
    ['a pool that is no object', { pools: { p: 5 } }, 'pools.p: 5 is no object'],
    ['a pool name that is no token', { pools: { 'a.b': {} } }, 'pools.a.b: no name; give 1 to 64 of A-Z a-z 0-9 _ -'],
    ['pools that are a list', { pools: [] }, 'pools: not an object of pools by name'],
    [
      'a served task that is not there',
      { pools: { p: { serves: ['b'] } } },
      'pools.p: serves.0: there is no task "b"; did you mean "a"?',
    ],
    [
      'a task that its pool does not serve',
      { tasks: [task('a'), task('b', { pool: 'p' })], pools: { p: { serves: ['a'] } } },
      'task "b": its pool "p" does not serve it; add it to `pools.p.serves`',
    ],
    ['budgets', { budgets: { tier1: {} } }, 'budgets: not available in this version; leave it empty'],
    ['models', { models: { fast: [] } }, 'models: not available in this version; leave it empty'],
    ['agents', { agents: [{}] }, 'agents: not available in this version; leave it empty'],
    ['an unknown key', { schedule: [] }, 'unknown key "schedule"'],
    ['a rule without a condition', { classify: [{ pool: 'default' }] }, 'classify.0.when: not a function'],
    [
      'a rule for a pool that is not there',
      { classify: [{ when: () => true, pool: 'defualt' }] },
      'classify.0.pool: there is no pool "defualt"; did you mean "default"?',
    ],
    [
      'a rule for a lane that is not there',
      { classify: [{ when: () => true, lane: 'urgent' }] },
      'classify.0.lane: "urgent" is no lane; give high, normal, low',
    ],
    ['deps that are no function', { deps: {} }, 'deps: not a function'],
    ['two tasks of one name', { tasks: [task('a'), task('a')] }, 'task "a": another task has the same name'],
    [
      'a name that is no token',
      { tasks: [task('a.b')] },
      'task "a.b": name: "a.b" is no name; give 1 to 64 of A-Z a-z 0-9 _ -',
    ],
    [
      'a task without a handler',
      { tasks: [defineTask({ name: 'c', input: z.object({}) })] },
      'task "c": handler: there is none; give `run`, or list here what the task\'s `.run(...)` returned',
    ],
    [
      'a task without a schema',
      { tasks: [task('a', { input: undefined })] },
      'task "a": input: not a Standard Schema; give a schema of zod, valibot, arktype or the like',
    ],
    ['a task that is none', { tasks: [null] }, 'task number 1: not a task; list what `defineTask` returned'],
    [
      'a bad duration',
      { tasks: [task('a', { timeout: '5 minutes' })] },
      "task \"a\": timeout: '5 minutes' is not a duration; give milliseconds, or a number with ms, s, m, h or d such as '5m'",
    ],
    [
      'a duration of nothing',
      { tasks: [task('a', { deadline: 0 })] },
      'task "a": deadline: 0 is out of bounds; give 1ms to 365d',
    ],
    [
      'no attempts',
      { tasks: [task('a', { retry: { max: 0 } })] },
      'task "a": retry.max: 0 is no whole number from 1 to 1000',
    ],
    [
      'a backoff that shrinks',
      { tasks: [task('a', { retry: { backoff: { factor: 0.5 } } })] },
      'task "a": retry.backoff.factor: less than 1',
    ],
    [
      'a backoff that begins above its end',
      { tasks: [task('a', { retry: { backoff: { first: '2m', max: '1m' } } })] },
      'task "a": retry.backoff: first is longer than max',
    ],
    [
      'a misspelt policy',
      { tasks: [task('a', { timeuot: '5m' })] },
      'task "a": unknown key "timeuot"; did you mean "timeout"?',
    ],
    [
      'a budget',
      { tasks: [task('a', { budget: 'crm' })] },
      'task "a": "budget" is not available in this version; leave it out',
    ],
    [
      'a lane that is neither',
      { tasks: [task('a', { lane: 'urgent' })] },
      'task "a": lane: no lane, nor a function that gives one',
    ],
    [
      'a schedule of no task',
      { schedules: [{ name: 's', task: 'b', cron: '@daily', input: {} }] },
      'schedule "s": task: there is no task "b"; did you mean "a"?',
    ],
    [
      'a bad cron',
      { schedules: [{ name: 's', task: 'a', cron: '61 * * * *', input: {} }] },
      'schedule "s": cron: "61 * * * *" is no cron expression: "61" is no minute; give 0 to 59, a range, a step or *',
    ],
    [
      'a period too short for NATS',
      { schedules: [{ name: 's', task: 'a', cron: { every: '500ms' }, input: {} }] },
      'schedule "s": cron.every: \'500ms\' is out of bounds; give 1s to 365d',
    ],
    [
      'neither cron nor period',
      { schedules: [{ name: 's', task: 'a', cron: 5, input: {} }] },
      'schedule "s": cron: 5 is no object',
    ],
    [
      'an unknown zone',
      { schedules: [{ name: 's', task: 'a', cron: '@daily', timezone: 'Europe/Berln', input: {} }] },
      'schedule "s": timezone: "Europe/Berln" is no time zone; give a name such as "Europe/Berlin"',
    ],
    [
      'an offset for a zone',
      { schedules: [{ name: 's', task: 'a', cron: '@daily', timezone: '+02:00', input: {} }] },
      'schedule "s": timezone: "+02:00" is no time zone; give a name such as "Europe/Berlin"',
    ],
    [
      'a period with a zone',
      { schedules: [{ name: 's', task: 'a', cron: { every: '1h' }, timezone: 'UTC', input: {} }] },
      'schedule "s": timezone: a period has none; leave it out, or give a cron expression',
    ],
    [
      'an input that the task refuses',
      { schedules: [{ name: 's', task: 'a', cron: '@daily', input: { n: 'x' } }] },
      'schedule "s": input: n: Invalid input: expected number, received string',
    ],
    [
      'two schedules of one name',
      { schedules: [1, 2].map(() => ({ name: 's', task: 'a', cron: '@daily', input: {} })) },
      'schedule "s": another schedule has the same name',
    ],
  ])('is told with its place and remedy: %s', (_, app, mistake) => {
    expect(mistakesOf(loose(app))).toEqual([mistake]);
  });

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
