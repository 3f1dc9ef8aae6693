import { expect, test } from 'vitest';
import type { StepInput } from '../../src/app/context-types.ts';
import { stepper } from '../../src/app/steps.ts';
import type { Duration } from '../../src/kernel/duration.ts';
import { NonRetryableError, TimeoutError } from '../../src/kernel/errors.ts';
import { journal } from '../../src/task/journal.ts';
import { lives } from '../../src/task/lives.ts';
import { decodeTask } from '../../src/task/message.ts';
import { decodeRecord } from '../../src/task/record.ts';
import { begun, firstRecord } from '../../src/task/transitions.ts';
import { recordWriter } from '../../src/task/writer.ts';
import { open } from '../task/world.ts';

const setup = async () => {
  const world = await open();
  const { ports, clock } = world;
  await world.submit({ id: 'a' });
  const delivery = await world.take();
  const task = decodeTask(delivery);
  if (!task) throw new Error('no task');
  const events: object[] = [];
  const life = new AbortController();
  let replays = 0;
  /** `ctx.step` of a new attempt. */
  const attempt = async () => {
    const entry = await ports.records.get('t.a');
    const record = (entry && decodeRecord(entry.value)) ?? begun(firstRecord(task), delivery, 'w', 0);
    const writer = recordWriter({ ports, recordKey: 't.a', record, revision: entry?.revision ?? 0, fenced: () => {} });
    return stepper(
      { clock, random: ports.random, replayed: () => (replays += 1) },
      {
        task,
        input: null,
        number: 1,
        startedAt: 0,
        alone: false,
        journal: journal(ports, Promise.resolve(writer), lives().begin('t.a')),
        signal: life.signal,
        emit: (event) => events.push(event) > 0,
      },
    );
  };
  return { ...world, attempt, events, life, replays: () => replays };
};

/** Fails so many times before it answers. */
const flaky = (failures: number) => {
  const tries: StepInput[] = [];
  const fn = (step: StepInput): string => {
    if (tries.push(step) <= failures) throw new Error(`try ${tries.length}`);
    return 'done';
  };
  return { tries, fn };
};

test('a step is told of, and says whether it ran', async () => {
  const { attempt, events, replays } = await setup();
  expect(await (await attempt())('fetch', () => 1, { key: 7 })).toBe(1);
  expect(await (await attempt())('fetch', () => 2, { key: '7' })).toBe(1);
  expect(events).toEqual([
    { type: 'step', name: 'fetch', key: '7', ms: 0, replayed: false },
    { type: 'step', name: 'fetch', key: '7', ms: 0, replayed: true },
  ]);
  expect(replays()).toBe(1);
});

test('it is given a key that is the same on every attempt, and its own among all steps', async () => {
  const { attempt } = await setup();
  const keys: string[] = [];
  const note = ({ idempotencyKey }: StepInput): never => {
    keys.push(idempotencyKey);
    throw new Error('again');
  };
  for (const _ of [1, 2]) await expect((await attempt())('pay', note)).rejects.toThrow('again');
  await expect((await attempt())('pay', note, { key: 'x' })).rejects.toThrow('again');
  expect(keys).toEqual(['t.a:pay', 't.a:pay', 't.a:pay:x']);
});

test('it is tried as often as it may be, with a pause in between, and recorded once', async () => {
  const { attempt, eventually, record, clock } = await setup();
  const { fn, tries } = flaky(2);
  const retry = { max: 3, backoff: { first: '10s', factor: 3, max: '20s' } } as const;
  expect(await eventually((await attempt())('s', fn, { retry }))).toBe('done');
  expect(tries).toHaveLength(3);
  expect(clock.monotonic()).toSatisfy((ms: number) => ms > 0 && ms <= 30_000);
  expect((await record('a'))?.steps).toMatchObject([{ name: 's', result: 'done' }]);
});

test('a first pause that is longer than the longest by default is as long as it says', async () => {
  const { attempt, eventually, clock } = await setup();
  await eventually((await attempt())('s', flaky(4).fn, { retry: { max: 5, backoff: { first: '1h' } } }));
  expect(clock.monotonic()).toBeGreaterThan(4 * 300_000);
});

test('the last failure is the step’s, and one that is final is not tried again', async () => {
  const { attempt, eventually, record } = await setup();
  const { fn, tries } = flaky(9);
  await expect(eventually((await attempt())('s', fn, { retry: { max: 2 } }))).rejects.toThrow('try 2');
  const never = flaky(0);
  const final = (step: StepInput): never => {
    never.fn(step);
    throw new NonRetryableError('never');
  };
  await expect((await attempt())('f', final, { retry: { max: 5 } })).rejects.toThrow('never');
  expect([tries.length, never.tries.length, await record('a')]).toEqual([2, 1, undefined]);
});

test('a try that takes too long is ended, and the next one begins', async () => {
  const { attempt, eventually } = await setup();
  const signals: AbortSignal[] = [];
  const slow = async ({ abortSignal }: StepInput): Promise<string> => {
    if (signals.push(abortSignal) === 1) await new Promise(() => {});
    return 'second';
  };
  expect(await eventually((await attempt())('s', slow, { timeout: '5s', retry: { max: 2 } }))).toBe('second');
  expect(signals[0]?.reason).toBeInstanceOf(TimeoutError);
  await expect(eventually((await attempt())('t', () => new Promise(() => {}), { timeout: '5s' }))).rejects.toThrow(
    'step "t" took longer than its timeout of 5000 ms',
  );
});

test('when the task is stopped, no try begins and no pause is waited for', async () => {
  const { attempt, life, clock } = await setup();
  const { fn, tries } = flaky(9);
  const step = (await attempt())('s', fn, { retry: { max: 9, backoff: { first: '1h', max: '1h' } } });
  const stopped = expect(step).rejects.toThrow('stop');
  await clock.settle();
  life.abort(new Error('stop'));
  await stopped;
  await expect((await attempt())('t', fn)).rejects.toThrow('stop');
  expect(tries).toHaveLength(1);
});

test.each([{}, { timeout: '1m' }] as const)('a step’s own signal follows the task’s: %j', async (options) => {
  const { attempt, life } = await setup();
  const given = Promise.withResolvers<AbortSignal>();
  const fn = ({ abortSignal }: StepInput): Promise<never> => {
    given.resolve(abortSignal);
    return new Promise((_, reject) => abortSignal.addEventListener('abort', () => reject(abortSignal.reason)));
  };
  const step = expect((await attempt())('s', fn, options)).rejects.toThrow('stop');
  expect((await given.promise).aborted).toBe(false);
  life.abort(new Error('stop'));
  await step;
});

const wrong: readonly (readonly [title: string, name: unknown, options: object, told: string])[] = [
  ['no name', '', {}, "a step's name has 1 to 128 characters; this one has 0"],
  ['a name that is too long', 'x'.repeat(129), {}, 'this one has 129'],
  ['a name that is none', 7, {}, "a step's name"],
  ['a key that is too long', 's', { key: 'x'.repeat(257) }, 'at most 256: hash it'],
  ['no tries', 's', { retry: { max: 0 } }, "a step's retry.max is 0; it takes 1 to 1000"],
  ['tries without end', 's', { retry: { max: Infinity } }, "a step's retry.max is Infinity"],
  ['a timeout that is none', 's', { timeout: 'soon' satisfies string as Duration }, "a step's timeout"],
  ['a pause that is none', 's', { retry: { backoff: { first: -1 } } }, "a step's backoff.first"],
];

test.each(wrong)('%s is refused, and no further attempt would change it', async (_title, name, options, told) => {
  const { attempt } = await setup();
  const step = (await attempt())(name as string, () => 1, options);
  await expect(step).rejects.toThrow(told);
  await expect(step).rejects.toMatchObject({ code: expect.stringMatching(/^(non_retryable|invalid_duration)$/) });
});
