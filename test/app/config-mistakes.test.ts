import { expect, test } from 'vitest';
import { loose, type Mistake, mistakesOf, task } from './apps.ts';

const mistakes: readonly Mistake[] = [
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
  ['agents', { agents: [{}] }, 'agents: not available in this version; leave it empty'],
  ['an unknown key', { schedule: [] }, 'unknown key "schedule"; did you mean "schedules"?'],
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
];

test.each(mistakes)('a mistake in the config is told with its place and remedy: %s', (_, app, told) => {
  expect(mistakesOf(loose(app))).toEqual([told]);
});
