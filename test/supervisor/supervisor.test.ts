import { describe, expect, test } from 'vitest';
import { ConfigurationError, RestartIntensityError } from '../../src/kernel/errors.ts';
import type { Restart } from '../../src/supervisor/child.ts';
import type { Strategy } from '../../src/supervisor/strategy.ts';
import { supervisor } from '../../src/supervisor/supervisor.ts';
import type { VirtualClock } from '../../src/kernel/virtual-clock.ts';
import { type Probe, probe, supervise } from './probe.ts';

const strategies = ['one_for_one', 'one_for_all', 'rest_for_one'] as const;
const restarts = ['permanent', 'transient', 'temporary'] as const;

/** Three children a, b and c; b is the one that something happens to. */
const trio = async (strategy: Strategy, restart: Restart) => {
  const diary: string[] = [];
  const [a, b, c] = [probe('a', diary), probe('b', diary, { restart }), probe('c', diary)];
  const subject = supervise({ strategy, children: [a.spec, b.spec, c.spec] });
  const { exit } = await subject.run();
  diary.length = 0;
  return { ...subject, diary, a, b, c, exit };
};

describe('starting and stopping', () => {
  test('children start in order, each when the one before is ready, and stop in reverse', async () => {
    const diary: string[] = [];
    const subject = supervise({ children: ['a', 'b', 'c'].map((id) => probe(id, diary).spec) });
    const { exit } = await subject.run();
    expect(diary.splice(0)).toEqual(['+a', '+b', '+c']);
    subject.stop();
    await exit;
    expect(diary).toEqual(['-c', '-b', '-a']);
    expect(subject.events).toEqual([]);
  });

  test('a child that fails to start takes back those before it, and its error is the supervisor’s', async () => {
    const diary: string[] = [];
    const [a, b, c] = [probe('a', diary), probe('b', diary), probe('c', diary)];
    b.failStarts(new Error('no port'));
    const subject = supervise({ children: [a.spec, b.spec, c.spec] });
    await expect(subject.run()).rejects.toThrow('no port');
    expect(diary).toEqual(['+a', '!b', '-a']);
    expect(subject.children()).toEqual([]);
  });

  test('a child that does not stop is left behind after its time, and told of', async () => {
    const diary: string[] = [];
    const [a, b] = [probe('a', diary), probe('b', diary, { shutdownMs: 300 })];
    const subject = supervise({ children: [a.spec, b.spec] });
    const { exit } = await subject.run();
    b.hang();
    subject.stop();
    await subject.clock.advance(299);
    expect(diary).not.toContain('-a');
    await subject.clock.advance(1);
    await exit;
    expect(diary.at(-1)).toBe('-a');
    expect(subject.told('left_behind')).toEqual(['left_behind b']);
  });

  test('a stop while a child is starting stops what has started', async () => {
    const diary: string[] = [];
    const [a, b] = [probe('a', diary), probe('b', diary, { shutdownMs: 100 })];
    b.stall();
    const subject = supervise({ children: [a.spec, b.spec] });
    const run = subject.run();
    await subject.clock.settle();
    subject.stop();
    await Promise.all([expect(run).rejects.toThrow(/aborted/), subject.clock.advance(100)]);
    expect(diary).toEqual(['+a', '+b', '-b', '-a']);
  });

  test('two children of one name are refused before anything starts', () => {
    const [a, again] = [probe('a', []), probe('a', [])];
    expect(() => supervise({ children: [a.spec, again.spec] })).toThrow(ConfigurationError);
  });
});

describe.each(strategies)('under %s', (strategy) => {
  const group = { one_for_one: ['b'], one_for_all: ['a', 'b', 'c'], rest_for_one: ['b', 'c'] }[strategy];
  const others = group.filter((id) => id !== 'b');
  const restarted = (ids: readonly string[]): readonly string[] => [
    ...others.toReversed().map((id) => `-${id}`),
    ...ids.map((id) => `+${id}`),
  ];

  test.each(restarts)('a %s child that crashes', async (restart) => {
    const { diary, b, clock, events, told } = await trio(strategy, restart);
    b.crash(new Error('bug'));
    await clock.settle();
    expect(diary).toEqual(restart === 'temporary' ? [] : restarted(group));
    expect(events[0]).toMatchObject({ type: 'crashed', child: 'b', error: { message: 'bug' } });
    expect(told('restarted')).toEqual(restart === 'temporary' ? [] : group.map((id) => `restarted ${id}`));
  });

  test.each(restarts)('a %s child that ends normally', async (restart) => {
    const { diary, b, clock, told } = await trio(strategy, restart);
    b.finish();
    await clock.settle();
    expect(diary).toEqual(restart === 'permanent' ? restarted(group) : []);
    expect(told('ended', 'crashed')).toEqual(['ended b']);
  });

  test.each(['permanent', 'transient'] as const)('a %s child whose restart fails is tried again', async (restart) => {
    const { diary, b, clock, told } = await trio(strategy, restart);
    b.failStarts(new Error('first'), new Error('second'));
    b.crash();
    await clock.settle();
    const before = strategy === 'one_for_all' ? ['a'] : [];
    const again = before.map((id) => `-${id}`);
    expect(diary).toEqual([
      ...restarted(before),
      '!b',
      ...again,
      ...before.map((id) => `+${id}`),
      '!b',
      ...again,
      ...group.map((id) => `+${id}`),
    ]);
    expect(told('crashed')).toEqual(['crashed b', 'crashed b', 'crashed b']);
  });

  test('a temporary child is never restarted, not even with its siblings', async () => {
    const { diary, a, clock, children } = await trio(strategy, 'temporary');
    a.crash();
    await clock.settle();
    expect(diary).not.toContain('+b');
    expect(diary).toContain('+a');
    const remains = strategy === 'one_for_one' ? ['a', 'b', 'c'] : ['a', 'c'];
    expect(children().map(({ id }) => id)).toEqual(remains);
  });

  test('a child that was left behind in a restart can end without another one', async () => {
    const { diary, b, c, clock, told } = await trio(strategy, 'permanent');
    c.hang();
    b.crash();
    await clock.advance(1_000);
    const abandoned = strategy === 'one_for_one' ? [] : ['left_behind c'];
    expect(told('left_behind')).toEqual(abandoned);
    expect(diary.filter((line) => line === '+b')).toHaveLength(1);
  });
});

describe('intensity', () => {
  const crashOnce = async ({ a, clock }: { readonly a: Probe; readonly clock: VirtualClock }): Promise<void> => {
    a.crash(new Error('again'));
    await clock.settle();
  };
  const start = async () => {
    const diary: string[] = [];
    const [a, b] = [probe('a', diary), probe('b', diary)];
    const subject = supervise({ children: [a.spec, b.spec], intensity: 2, periodMs: 1_000 });
    const { exit } = await subject.run();
    const outcome = exit.then(
      () => 'ended',
      (error: unknown) => error,
    );
    return { ...subject, diary, a, b, outcome };
  };

  test('allows that many restarts within the period, and gives up at the next', async () => {
    const subject = await start();
    await crashOnce(subject);
    await crashOnce(subject);
    expect(subject.told('gave_up')).toEqual([]);
    await crashOnce(subject);
    const error = await subject.outcome;
    expect(error).toBeInstanceOf(RestartIntensityError);
    expect(error).toMatchObject({
      message: 'child "a" exits again after 2 restarts within 1s',
      cause: { message: 'again' },
    });
    expect(subject.told('gave_up')).toEqual(['gave_up a']);
  });

  test('stops the other children when it gives up', async () => {
    const subject = await start();
    for (let n = 0; n < 3; n += 1) await crashOnce(subject);
    await subject.outcome;
    expect(subject.diary.at(-1)).toBe('-b');
    expect(subject.children()).toEqual([]);
  });

  test('forgets restarts older than the period', async () => {
    const subject = await start();
    for (let n = 0; n < 6; n += 1) {
      await crashOnce(subject);
      await subject.clock.advance(501);
    }
    expect(subject.told('gave_up')).toEqual([]);
    subject.stop();
    await expect(subject.outcome).resolves.toBe('ended');
  });

  test('counts failed restarts too, so that a child that cannot start comes to an end', async () => {
    const subject = await start();
    subject.a.failStarts(...Array.from({ length: 10 }, () => new Error('no port')));
    await crashOnce(subject);
    await subject.outcome;
    expect(subject.diary.filter((line) => line === '!a')).toHaveLength(2);
  });

  test('of 0 lets the first crash through', async () => {
    const a = probe('a', []);
    const subject = supervise({ children: [a.spec], intensity: 0 });
    const { exit } = await subject.run();
    a.crash();
    await expect(exit).rejects.toThrow(RestartIntensityError);
  });
});

describe('escalation', () => {
  const tree = async (outerIntensity: number) => {
    const diary: string[] = [];
    const leaf = probe('leaf', diary);
    const sibling = probe('sibling', diary);
    const outer = supervise({ children: [], intensity: outerIntensity });
    const inner = supervisor(
      { strategy: 'one_for_one', intensity: 1, periodMs: 1_000, children: [leaf.spec] },
      { clock: outer.clock },
    );
    const children = [
      { id: 'inner', start: inner.start, restart: 'permanent', shutdownMs: Infinity } as const,
      sibling.spec,
    ];
    const subject = supervise({ children, intensity: outerIntensity });
    const { exit } = await subject.run();
    return { ...subject, diary, leaf, exit };
  };

  test('a supervisor that gives up crashes, and is restarted by its own', async () => {
    const { leaf, clock, told, diary } = await tree(3);
    for (let n = 0; n < 2; n += 1) {
      leaf.crash();
      await clock.settle();
    }
    expect(told('crashed', 'restarted')).toEqual(['crashed inner', 'restarted inner']);
    expect(diary).toEqual(['+leaf', '+sibling', '+leaf', '+leaf']);
  });

  test('the last one that gives up ends the tree with the cause at the bottom', async () => {
    const { leaf, clock, exit } = await tree(0);
    const outcome = expect(exit).rejects.toMatchObject({
      code: 'restart_intensity',
      cause: { code: 'restart_intensity', cause: { message: 'root of all' } },
    });
    for (let n = 0; n < 2; n += 1) {
      leaf.crash(new Error('root of all'));
      await clock.settle();
    }
    await outcome;
  });
});
