/**
 * Protocol 4: "a terminal record means a duplicate: ack, done" lost all that comes after the commit when the worker died in
 * between. Duties follow from the record, so whoever is handed the message repeats them, and acks last.
 */
import { describe, expect, test } from 'vitest';
import { streams, subjects } from '../../src/bus/subjects.ts';
import { RetryAfterError, TimeoutError } from '../../src/kernel/errors.ts';
import { decodeRecord, isTerminal, type RecordStatus } from '../../src/task/record.ts';
import { type Around, between } from './failpoints.ts';
import { world, type World } from './fixture.ts';
import { memoryGround, onBothGrounds } from './grounds.ts';

const never = new Promise<never>(() => {});

/** Dies when the server has stored this, and before it hears of that. */
const dyingAfter = (point: (subject: string, data: Uint8Array) => boolean) => {
  const died = Promise.withResolvers<void>();
  const node: { crash: () => void } = { crash: () => {} };
  const around: Around = between({
    publish: async (subject, data, go) => {
      const answer = await go();
      if (!point(subject, data)) return answer;
      node.crash();
      died.resolve();
      return never;
    },
  });
  return { around, node, died: died.promise };
};

const committed =
  (status: RecordStatus) =>
  (subject: string, data: Uint8Array): boolean =>
    subject === '$KV.tasks.t.x' && decodeRecord(data)?.status === status;

/** One node dies at the point, and another one comes. */
const afterDeath = async (setting: World, point: (subject: string, data: Uint8Array) => boolean) => {
  const { around, node, died } = dyingAfter(point);
  const first = await setting.boot('a', { around });
  node.crash = first.crash;
  await setting.submit('x', { input: { n: 1 } });
  await setting.eventually(died);
  const told: string[] = [];
  setting.bus.subscribe(subjects.results('t.x'), ({ data }) => told.push(decodeRecord(data)?.status ?? 'none'));
  await setting.eventually(setting.bus.flush());
  const second = await setting.boot('b');
  return { told, second };
};

onBothGrounds((make) => {
  describe('a worker that dies after the commit', () => {
    test('of a result, and before it has told anybody: the next one tells, acks, and does not run it', async () => {
      let ran = 0;
      const setting = await world(await make(), { run: async () => (ran += 1) });
      const { told } = await afterDeath(setting, committed('completed'));
      await setting.drained();
      await setting.eventually(setting.bus.flush());
      expect([ran, told]).toEqual([1, ['completed']]);
      expect(await setting.record('x')).toMatchObject({ status: 'completed', attempt: 1, result: 1 });
    });

    test('of a death, and before its letter: the next one writes it', async () => {
      const fail = () => Promise.reject(new Error('no'));
      const setting = await world(await make(), { run: fail, retry: { max: 1 } });
      const { told } = await afterDeath(setting, committed('dead'));
      await setting.drained();
      await setting.eventually(setting.bus.flush());
      expect([await setting.letters(), told]).toEqual([['dlq.default.exhausted.t.x'], ['dead']]);
      expect(await setting.record('x')).toMatchObject({ status: 'dead', attempt: 1, failures: 1 });
    });
  });

  test('an ack that is lost costs a delivery, and nothing else', async () => {
    let [ran, lost] = [0, 0];
    const setting = await world(await make(), { run: async () => (ran += 1) });
    await setting.boot('a', {
      around: between({
        settle: (how, { subject }, go) =>
          how === 'ack' && subject.startsWith('work.') && lost++ === 0 ? undefined : go(),
      }),
    });
    await setting.submit('x');
    await setting.becomes('x');
    await setting.drained();
    expect([ran, lost, await setting.record('x')]).toMatchObject([1, 2, { attempt: 1 }]);
  });
});

test('a worker that dies after the letter of a death: there is one letter, and the message leaves', async () => {
  const fail = () => Promise.reject(new Error('no'));
  const setting = await world(memoryGround(), { run: fail, retry: { max: 1 } });
  await afterDeath(setting, (subject) => subject.startsWith('dlq.'));
  await setting.drained();
  expect(await setting.messages(streams.dlq)).toBe(1);
});

describe('a long wait', () => {
  const later = (ctx: { readonly attempt: number }): number => {
    if (ctx.attempt === 1) throw new RetryAfterError('6s');
    return ctx.attempt;
  };

  test.each<readonly [string, (subject: string, data: Uint8Array) => boolean]>([
    ['before its timer is set', committed('waiting')],
    ['after its timer is set', (subject) => subject.startsWith('sched.')],
    ['after what was due is in its pool', (subject, data) => subject.startsWith('work.') && data.length > 0],
  ])('is resumed once, though a node dies %s', async (_when, point) => {
    const attempts: number[] = [];
    const setting = await world(memoryGround(), {
      run: async (ctx) => {
        attempts.push(ctx.attempt);
        return later(ctx);
      },
    });
    await afterDeath(setting, point);
    expect(await setting.becomes('x')).toMatchObject({ status: 'completed', attempt: 2, failures: 1, waits: 1 });
    await setting.drained();
    expect(attempts).toEqual([1, 2]);
  });
});

test('an answer that is lost at any commit is the own write: no attempt is counted twice, and none is fenced', async () => {
  const lost = new Set<string>();
  const setting = await world(memoryGround(), {
    run: async (ctx) => {
      await ctx.step('one', () => 1);
      if (ctx.attempt === 1) throw new Error('again');
      return ctx.step('two', () => 2);
    },
    retry: { max: 3, backoff: { first: '10s', max: '10s' } },
  });
  const node = await setting.boot('a', {
    around: between({
      publish: async (subject, data, go) => {
        const answer = await go();
        const what = `${subject} ${Buffer.from(data).toString('base64').slice(0, 400)}`;
        if (lost.has(what)) return answer;
        lost.add(what);
        throw new TimeoutError('no answer');
      },
    }),
  });
  await setting.submit('x');
  expect(await setting.becomes('x', isTerminal)).toMatchObject({
    status: 'completed',
    attempt: 2,
    failures: 1,
    result: 2,
  });
  await setting.drained();
  expect(await node.metrics.text()).not.toContain('troupe_fenced_total{');
  expect((await setting.record('x'))?.steps.map(({ name }) => name)).toEqual(['one', 'two']);
});
