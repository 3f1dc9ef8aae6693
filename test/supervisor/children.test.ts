import { describe, expect, test } from 'vitest';
import { ConfigurationError, NotFoundError, UnavailableError } from '../../src/kernel/errors.ts';
import { probe, supervise } from './probe.ts';

const start = async (strategy: 'one_for_one' | 'one_for_all' | 'rest_for_one' = 'one_for_one') => {
  const diary: string[] = [];
  const a = probe('a', diary);
  const subject = supervise({ strategy, children: [a.spec] });
  const { exit } = await subject.run();
  return { ...subject, diary, a, exit };
};

describe('a child that is added later', () => {
  test('is started, restarted and stopped like the others', async () => {
    const { startChild, diary, clock, stop, exit } = await start();
    const b = probe('b', diary);
    await startChild(b.spec);
    b.crash();
    await clock.settle();
    stop();
    await exit;
    expect(diary).toEqual(['+a', '+b', '+b', '-b', '-a']);
  });

  test('has not been restarted yet, whatever another one of its name was', async () => {
    const { startChild, stopChild, diary, clock, children } = await start();
    const b = probe('b', diary);
    await startChild(b.spec);
    b.crash();
    await clock.settle();
    expect(children()[1]).toMatchObject({ id: 'b', restarts: 1 });
    await stopChild('b');
    await startChild(b.spec);
    expect(children()[1]).toMatchObject({ id: 'b', restarts: 0 });
  });

  test('belongs to its siblings’ strategy', async () => {
    const { startChild, diary, clock, a } = await start('one_for_all');
    await startChild(probe('b', diary).spec);
    a.crash();
    await clock.settle();
    expect(diary).toEqual(['+a', '+b', '-b', '+a', '+b']);
  });

  test('is not added if it fails to start, and the error is the caller’s', async () => {
    const { startChild, diary, clock, children, events } = await start();
    const b = probe('b', diary);
    b.failStarts(new Error('no port'));
    await expect(startChild(b.spec)).rejects.toThrow('no port');
    await clock.settle();
    expect(diary).toEqual(['+a', '!b']);
    expect(children().map(({ id }) => id)).toEqual(['a']);
    expect(events).toEqual([]);
    await startChild(b.spec);
    expect(diary.at(-1)).toBe('+b');
  });

  test('is refused if its name is taken', async () => {
    const { startChild } = await start();
    await expect(startChild(probe('a', []).spec)).rejects.toThrow(ConfigurationError);
  });

  test('is refused before the supervisor runs, and after', async () => {
    const subject = supervise({ children: [] });
    const { spec } = probe('b', []);
    await expect(subject.startChild(spec)).rejects.toThrow(UnavailableError);
    const { exit } = await subject.run();
    subject.stop();
    await exit;
    await expect(subject.startChild(spec)).rejects.toThrow(UnavailableError);
  });

  test('is forgotten when it is temporary and ends', async () => {
    const { startChild, diary, clock, children } = await start();
    const b = probe('b', diary, { restart: 'temporary' });
    await startChild(b.spec);
    b.finish();
    await clock.settle();
    expect(children().map(({ id }) => id)).toEqual(['a']);
    await startChild(b.spec);
  });
});

describe('a child that is removed', () => {
  test('stops and is not restarted', async () => {
    const { stopChild, diary, children, clock, events } = await start();
    await stopChild('a');
    await clock.settle();
    expect(diary).toEqual(['+a', '-a']);
    expect(children()).toEqual([]);
    expect(events).toEqual([]);
  });

  test('holds up no restart of another while it takes its time', async () => {
    const { startChild, stopChild, diary, clock, a } = await start();
    const slow = probe('slow', diary, { shutdownMs: 30_000 });
    await startChild(slow.spec);
    slow.hang();
    const stopped = stopChild('slow');
    a.crash();
    await clock.settle();
    expect(diary).toEqual(['+a', '+slow', '+a']);
    slow.finish();
    await stopped;
  });

  test('is waited for by a shutdown', async () => {
    const { startChild, stopChild, stop, exit, clock, told } = await start();
    const slow = probe('slow', [], { shutdownMs: 500 });
    await startChild(slow.spec);
    slow.hang();
    const stopped = stopChild('slow');
    stop();
    let ended = false;
    void exit.then(() => (ended = true));
    await clock.advance(499);
    expect(ended).toBe(false);
    await clock.advance(1);
    await Promise.all([exit, stopped]);
    expect(told('left_behind')).toEqual(['left_behind slow']);
  });

  test('is not started again by a restart that was under way', async () => {
    const { startChild, stopChild, diary, clock, a } = await start('one_for_all');
    const [b, c] = [probe('b', diary), probe('c', diary)];
    await startChild(b.spec);
    await startChild(c.spec);
    c.hang();
    a.crash();
    await clock.settle();
    await stopChild('b');
    await clock.advance(1_000);
    expect(diary).toEqual(['+a', '+b', '+c', '-b', '+a', '+c']);
  });

  test('is an error if there is none', async () => {
    const { stopChild } = await start();
    await expect(stopChild('b')).rejects.toThrow(NotFoundError);
  });
});

describe('the list of children', () => {
  test('shows in start order what they are and how often they were restarted', async () => {
    const { startChild, children, a, clock } = await start();
    const b = probe('b', [], { restart: 'transient' });
    const c = probe('c', [], { restart: 'temporary' });
    c.stall();
    await startChild(b.spec);
    void startChild(c.spec);
    a.crash();
    b.finish();
    await clock.settle();
    expect(children()).toEqual([
      { id: 'a', restart: 'permanent', status: 'running', restarts: 1 },
      { id: 'b', restart: 'transient', status: 'stopped', restarts: 0 },
      { id: 'c', restart: 'temporary', status: 'starting', restarts: 0 },
    ]);
  });
});
