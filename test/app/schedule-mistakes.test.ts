import { expect, test } from 'vitest';
import { loose, type Mistake, mistakesOf } from './apps.ts';

const mistakes: readonly Mistake[] = [
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
];

test.each(mistakes)('a mistake in a schedule is told with its place and remedy: %s', (_, app, told) => {
  expect(mistakesOf(loose(app))).toEqual([told]);
});
