import { match } from 'ts-pattern';
import { describe, expect, test } from 'vitest';
import { actor, type Behavior, type ReplyTo, type Self } from '../../src/actors/actor.ts';
import { MailboxFullError, TimeoutError, UnavailableError } from '../../src/kernel/errors.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { supervisor } from '../../src/supervisor/supervisor.ts';

type Message =
  | { readonly type: 'add'; readonly n: number }
  | { readonly type: 'total'; readonly reply: ReplyTo<number> }
  | { readonly type: 'refuse'; readonly reply: ReplyTo<number> }
  | { readonly type: 'hold'; readonly reply: ReplyTo<number> }
  | { readonly type: 'wait'; readonly until: Promise<void> }
  | { readonly type: 'pipe'; readonly work: Promise<number> }
  | { readonly type: 'double' }
  | { readonly type: 'crash' };

/** Adds up what it is sent. */
const adder = (diary: string[] = []): Behavior<number, Message> => ({
  init: (self) => {
    diary.push('init');
    self.signal.addEventListener('abort', () => diary.push('abort'));
    return 0;
  },
  receive: (total, message, self) =>
    match(message)
      .returnType<number | Promise<number>>()
      .with({ type: 'add' }, ({ n }) => total + n)
      .with({ type: 'total' }, ({ reply }) => answer(reply, total))
      .with({ type: 'refuse' }, ({ reply }) => {
        reply.reject(new Error('refused'));
        return total;
      })
      .with({ type: 'hold' }, () => total)
      .with({ type: 'wait' }, ({ until }) => until.then(() => total))
      .with({ type: 'pipe' }, ({ work }) => {
        self.pipe(work, (n) => ({ type: 'add', n }));
        return total;
      })
      .with({ type: 'double' }, () => {
        self.send({ type: 'add', n: total });
        return total;
      })
      .with({ type: 'crash' }, () => {
        throw new Error('bug');
      })
      .exhaustive(),
  terminate: (total) => void diary.push(`terminate with ${total}`),
});

const answer = (reply: ReplyTo<number>, total: number): number => {
  reply.resolve(total);
  return total;
};

const total = (reply: ReplyTo<number>): Message => ({ type: 'total', reply });
const hold = (reply: ReplyTo<number>): Message => ({ type: 'hold', reply });

const run = async (behavior: Behavior<number, Message> = adder(), capacity = 100) => {
  const clock = virtualClock();
  const abort = new AbortController();
  const subject = actor(behavior, { clock, capacity, name: 'adder' });
  const { exit } = await subject.start(abort.signal);
  const outcome = exit.then(
    () => 'stopped',
    (error: unknown) => error,
  );
  return { ...subject, clock, outcome, stop: () => abort.abort() };
};

describe('an actor', () => {
  test('handles the messages of one sender in the order they were sent', async () => {
    const seen: number[] = [];
    const { send, ask } = await run({
      ...adder(),
      receive: (state, message, self) => {
        if (message.type === 'add') seen.push(message.n);
        return adder().receive(state, message, self);
      },
    });
    const sent = Array.from({ length: 50 }, (_, n) => n);
    for (const n of sent) send({ type: 'add', n });
    await ask(total);
    expect(seen).toEqual(sent);
  });

  test('handles one message at a time, also when that takes a while', async () => {
    const { send, ask, clock } = await run();
    const gate = Promise.withResolvers<void>();
    send({ type: 'add', n: 1 });
    send({ type: 'wait', until: gate.promise });
    send({ type: 'add', n: 2 });
    let answered = false;
    const asked = ask(total).finally(() => (answered = true));
    await clock.settle();
    expect(answered).toBe(false);
    gate.resolve();
    await expect(asked).resolves.toBe(3);
  });

  test('receives what it sends itself behind what is waiting, and the result of work when it is there', async () => {
    const { send, ask } = await run();
    const work = Promise.withResolvers<number>();
    send({ type: 'pipe', work: work.promise });
    send({ type: 'add', n: 5 });
    send({ type: 'double' });
    await expect(ask(total)).resolves.toBe(5);
    await expect(ask(total)).resolves.toBe(10);
    work.resolve(100);
    await work.promise;
    await expect(ask(total)).resolves.toBe(110);
  });

  test('keeps messages that arrive while it starts', async () => {
    const clock = virtualClock();
    const gate = Promise.withResolvers<number>();
    const subject = actor({ ...adder(), init: () => gate.promise }, { clock });
    const started = subject.start(new AbortController().signal);
    expect(subject.send({ type: 'add', n: 1 })).toBe(true);
    const asked = subject.ask(total);
    gate.resolve(41);
    await started;
    await expect(asked).resolves.toBe(42);
  });

  test('lets the event loop have its turn, however many messages wait', async () => {
    const { send, ask, clock } = await run(adder(), 10_000);
    for (let n = 0; n < 5_000; n += 1) send({ type: 'add', n: 1 });
    const order: string[] = [];
    const asked = ask(total).then(() => order.push('answer'));
    clock.immediate(() => order.push('turn'));
    await asked;
    expect(order).toEqual(['turn', 'answer']);
  });
});

describe('its end', () => {
  test('a stop ends it after the message at hand, drops the others, and is no crash', async () => {
    const diary: string[] = [];
    const { send, clock, stop, outcome } = await run(adder(diary));
    const gate = Promise.withResolvers<void>();
    send({ type: 'add', n: 1 });
    send({ type: 'wait', until: gate.promise });
    send({ type: 'add', n: 10 });
    await clock.settle();
    stop();
    expect(diary).toEqual(['init', 'abort']);
    gate.resolve();
    await expect(outcome).resolves.toBe('stopped');
    expect(diary).toEqual(['init', 'abort', 'terminate with 1']);
  });

  test.each([
    ['a receive that throws', (send: (message: Message) => void) => send({ type: 'crash' })],
    [
      'a receive that rejects',
      (send: (message: Message) => void) => send({ type: 'wait', until: Promise.reject(new Error('bug')) }),
    ],
    [
      'piped work that rejects',
      (send: (message: Message) => void) => send({ type: 'pipe', work: Promise.reject(new Error('bug')) }),
    ],
  ])('%s crashes it, with the last state for terminate', async (_, provoke) => {
    const diary: string[] = [];
    const { send, outcome } = await run(adder(diary));
    send({ type: 'add', n: 3 });
    provoke(send);
    await expect(outcome).resolves.toMatchObject({ message: 'bug' });
    expect(diary).toEqual(['init', 'abort', 'terminate with 3']);
  });

  test('a crash is reported even if terminate throws as well', async () => {
    const failing = { ...adder(), terminate: () => Promise.reject(new Error('and this')) };
    const { send, outcome } = await run(failing);
    send({ type: 'crash' });
    await expect(outcome).resolves.toMatchObject({ message: 'bug' });
  });

  test('a terminate that throws after a stop is a crash', async () => {
    const failing = { ...adder(), terminate: () => Promise.reject(new Error('unsaved')) };
    const { stop, outcome } = await run(failing);
    stop();
    await expect(outcome).resolves.toMatchObject({ message: 'unsaved' });
  });

  test('an init that throws is a failed start, and ends what was tied to its signal', async () => {
    let signal: AbortSignal | undefined;
    const init = (self: Self<Message>): number => {
      ({ signal } = self);
      throw new Error('no port');
    };
    const subject = actor({ ...adder(), init }, { clock: virtualClock() });
    await expect(subject.start(new AbortController().signal)).rejects.toThrow('no port');
    expect(signal?.aborted).toBe(true);
    expect(subject.send({ type: 'crash' })).toBe(false);
  });
});

describe('an ask', () => {
  test('rejects with what the actor rejects it with', async () => {
    const { ask } = await run();
    await expect(ask((reply: ReplyTo<number>) => ({ type: 'refuse', reply }))).rejects.toThrow('refused');
  });

  test('times out when no answer comes, and leaves nothing behind', async () => {
    const { ask, clock } = await run();
    const asked = ask(hold, { timeoutMs: 2_000 });
    const failed = expect(asked).rejects.toThrow(new TimeoutError('adder did not answer within 2s'));
    await clock.advance(2_000);
    await failed;
    await ask(total);
    expect(clock.pending).toBe(0);
  });

  test('drops an answer that comes too late', async () => {
    let late: ReplyTo<number> | undefined;
    const { ask, clock } = await run();
    const asked = ask<number>((reply) => hold((late = reply)), { timeoutMs: 10 });
    const failed = expect(asked).rejects.toThrow(TimeoutError);
    await clock.advance(10);
    late?.resolve(1);
    await failed;
  });

  test('fails at once when the actor crashes, with the crash as its cause', async () => {
    const { ask, send } = await run();
    const asked = ask(hold);
    send({ type: 'crash' });
    await expect(asked).rejects.toMatchObject({ code: 'unavailable', cause: { message: 'bug' } });
  });

  test('fails when the actor stops, unless terminate still answers', async () => {
    const held: ReplyTo<number>[] = [];
    const behavior: Behavior<number, Message> = {
      init: () => 0,
      receive: (state, message) => {
        if (message.type === 'hold') held.push(message.reply);
        return state;
      },
      terminate: () => held[0]?.resolve(7),
    };
    const { ask, clock, stop } = await run(behavior);
    const [answered, unanswered] = [ask(hold), ask(hold)];
    await clock.settle();
    stop();
    await expect(answered).resolves.toBe(7);
    await expect(unanswered).rejects.toThrow(UnavailableError);
    await expect(ask(hold)).rejects.toThrow('adder is not running');
  });
});

describe('a full mailbox', () => {
  const full = async () => {
    const subject = await run(adder(), 2);
    const gate = Promise.withResolvers<void>();
    subject.send({ type: 'wait', until: gate.promise });
    await subject.clock.settle();
    subject.send({ type: 'add', n: 1 });
    subject.send({ type: 'add', n: 1 });
    return { ...subject, open: gate.resolve };
  };

  test('refuses messages and asks until it is read', async () => {
    const { send, ask, open, clock } = await full();
    expect(() => send({ type: 'add', n: 1 })).toThrow(MailboxFullError);
    await expect(ask(total)).rejects.toThrow('the mailbox of adder holds 2 messages, its capacity');
    open();
    await clock.settle();
    await expect(ask(total)).resolves.toBe(2);
    expect(clock.pending).toBe(0);
  });

  test('takes what the actor sends itself', async () => {
    const { ask, send, clock } = await run(adder(), 1);
    send({ type: 'pipe', work: Promise.resolve(5) });
    await clock.settle();
    send({ type: 'double' });
    await clock.settle();
    await expect(ask(total)).resolves.toBe(10);
  });
});

describe('across a restart', () => {
  test('the address stays valid; state, mailbox and pending asks do not survive', async () => {
    const clock = virtualClock();
    const subject = actor(adder(), { clock, name: 'adder' });
    const child = { id: 'adder', start: subject.start, restart: 'permanent', shutdownMs: 1_000 } as const;
    const tree = supervisor({ strategy: 'one_for_one', intensity: 1, periodMs: 1_000, children: [child] }, { clock });
    await tree.start(new AbortController().signal);

    subject.send({ type: 'add', n: 5 });
    subject.send({ type: 'crash' });
    subject.send({ type: 'add', n: 7 });
    const asked = expect(subject.ask(total)).rejects.toThrow(UnavailableError);
    await clock.settle();
    await asked;
    subject.send({ type: 'add', n: 1 });
    await expect(subject.ask(total)).resolves.toBe(1);
  });

  test('before its first start and after its end, a message is dropped and an ask fails', async () => {
    const subject = actor(adder(), { clock: virtualClock(), name: 'adder' });
    expect(subject.send({ type: 'add', n: 1 })).toBe(false);
    await expect(subject.ask(total)).rejects.toThrow('adder is not running');
    const abort = new AbortController();
    const { exit } = await subject.start(abort.signal);
    abort.abort();
    await exit;
    expect(subject.send({ type: 'add', n: 1 })).toBe(false);
  });

  test('while it ends after a crash, a message is dropped', async () => {
    const ending = Promise.withResolvers<void>();
    const subject = actor({ ...adder(), terminate: () => ending.promise }, { clock: virtualClock() });
    const { exit } = await subject.start(new AbortController().signal);
    const crashed = expect(exit).rejects.toThrow();
    subject.send({ type: 'crash' });
    await new Promise(setImmediate);
    expect(subject.send({ type: 'add', n: 1 })).toBe(false);
    ending.resolve();
    await crashed;
  });

  test('an incarnation that was left behind takes no message from the new one', async () => {
    const clock = virtualClock();
    const subject = actor(adder(), { clock });
    const first = new AbortController();
    const stuck = Promise.withResolvers<void>();
    const { exit } = await subject.start(first.signal);
    subject.send({ type: 'wait', until: stuck.promise });
    await clock.settle();
    first.abort();
    await subject.start(new AbortController().signal);
    subject.send({ type: 'add', n: 2 });
    stuck.resolve();
    await exit;
    await expect(subject.ask(total)).resolves.toBe(2);
  });
});
