import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineTask } from '../../src/app/task.ts';
import { loose, type Mistake, mistakesOf, task } from './apps.ts';

const mistakes: readonly Mistake[] = [
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
    'a misspelt schema',
    { tasks: [task('a', { ouput: z.object({}) })] },
    'task "a": unknown key "ouput"; did you mean "output"?',
  ],
  [
    'a budget that is not there',
    { tasks: [task('a', { budget: 'cmr' })], budgets: { crm: { concurrent: 1 } } },
    'task "a": budget: there is no budget "cmr"; did you mean "crm"?',
  ],
  [
    'a budget where there are none',
    { tasks: [task('a', { budget: 'crm' })] },
    'task "a": budget: there is no budget "crm"',
  ],
  [
    'a budget without room for one start',
    { tasks: [task('a', { budget: 'crm' })], budgets: { crm: { requests: { limit: 0.5, per: '1s' } } } },
    'task "a": its budget "crm" never allows a whole request, so it would never start',
  ],
  [
    'a budget that holds up no start',
    { tasks: [task('a', { budget: 'crm' })], budgets: { crm: { tokens: { limit: 500, per: '1s' } } } },
    'task "a": its budget "crm" counts neither requests nor `concurrent`, so it would hold up no start; give `budgets.crm` one of them, or leave the task\'s `budget` out',
  ],
  [
    'a lane that is neither',
    { tasks: [task('a', { lane: 'urgent' })] },
    'task "a": lane: no lane, nor a function that gives one',
  ],
];

test.each(mistakes)('a mistake in a task is told with its place and remedy: %s', (_, app, told) => {
  expect(mistakesOf(loose(app))).toEqual([told]);
});
