/**
 * Runs a behavior as a process: one message at a time, crashing on the first error it throws. The
 * actor's address outlives its crashes; its mailbox and its state do not (docs/semantics.md).
 */
import type { Clock } from '../kernel/clock.ts';
import { formatMs } from '../kernel/duration.ts';
import { TimeoutError, UnavailableError } from '../kernel/errors.ts';
import { type Mailbox, mailbox } from '../kernel/mailbox.ts';
import type { Start } from '../kernel/process.ts';
import { linked } from '../kernel/signal.ts';

/** An actor's view of itself. */
export interface Self<Message> {
  /** Aborts when the actor stops or crashes; what it opened should end with it. */
  readonly signal: AbortSignal;
  /** Puts a message behind those that wait. Not counted against the mailbox's capacity. */
  readonly send: (message: Message) => void;
  /** Sends the result of `work` when it is there; crashes the actor if `work` rejects. */
  readonly pipe: <Result>(work: Promise<Result>, toMessage: (result: Result) => Message) => void;
}

/** What an actor does: the callbacks of OTP's gen_server, with the state passed through them. */
export interface Behavior<State, Message> {
  init(self: Self<Message>): State | Promise<State>;
  /** The next state. While its promise is pending no other message is handled: pipe long work instead. */
  receive(state: State, message: Message, self: Self<Message>): State | Promise<State>;
  /** After the last message, be it a stop or a crash. The actor has ended when this has. */
  terminate?(state: State): void | Promise<void>;
}

/** Where the answer to an ask goes. Once: what comes later, or after the timeout, is dropped. */
export interface ReplyTo<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

export interface AskOptions {
  /** 5,000. */
  readonly timeoutMs?: number;
}

/** An actor's address. */
export interface ActorRef<Message> {
  /**
   * Messages of one sender arrive in the order they were sent. Answers false if the actor is not
   * running: the message is dropped. Throws MailboxFullError.
   */
  readonly send: (message: Message) => boolean;
  /**
   * Sends the message that `toMessage` makes around the place its answer goes, and waits for that.
   * Rejects with UnavailableError if the actor is not running, or ends before it has answered; with
   * TimeoutError when the time is over, though it may act on the message still; with MailboxFullError.
   */
  readonly ask: <Value>(toMessage: (reply: ReplyTo<Value>) => Message, options?: AskOptions) => Promise<Value>;
}

export interface Actor<Message> extends ActorRef<Message> {
  /** One incarnation. The address leads to the latest. */
  readonly start: Start;
}

export interface ActorOptions {
  readonly clock: Clock;
  /** In error messages; `actor`. */
  readonly name?: string;
  /** How many messages of others may wait; 10,000. */
  readonly capacity?: number;
}

/** One life of an actor, from a start to its end. */
interface Incarnation<Message> {
  readonly inbox: Mailbox<Message>;
  /** Those who wait for an answer. */
  readonly asking: Set<(error: unknown) => void>;
}

/** After so many messages the event loop gets a turn, so that actors who feed each other starve nobody. */
const burst = 1_024;

export const actor = <State, Message>(
  behavior: Behavior<State, Message>,
  { clock, name = 'actor', capacity = 10_000 }: ActorOptions,
): Actor<Message> => {
  let current: Incarnation<Message> | undefined;

  const start: Start = async (signal) => {
    const life = linked(signal);
    const inbox = mailbox<Message>(life.signal, { capacity, owner: name });
    const incarnation: Incarnation<Message> = { inbox, asking: new Set() };
    current = incarnation;

    const end = (cause: { readonly cause?: unknown } = {}): void => {
      life.abort();
      if (current === incarnation) current = undefined;
      const error = new UnavailableError(`${name} ended before it answered`, cause);
      for (const reject of incarnation.asking) reject(error);
    };
    const crash = (error: unknown): never => {
      end({ cause: error });
      throw error;
    };

    const self = selfOf(life.signal, inbox);
    const init = async (): Promise<State> => behavior.init(self);
    const state = await init().catch(crash);
    return { exit: live(behavior, state, { self, inbox, clock, abort: () => life.abort() }).then(() => end(), crash) };
  };

  return {
    start,
    send: (message) => current?.inbox.push(message) ?? false,
    ask: (toMessage, { timeoutMs = 5_000 } = {}) =>
      current
        ? ask(current, toMessage, { clock, name, timeoutMs })
        : Promise.reject(new UnavailableError(`${name} is not running`)),
  };
};

const selfOf = <Message>(signal: AbortSignal, { pushOwn, fail }: Mailbox<Message>): Self<Message> => ({
  signal,
  send: pushOwn,
  pipe: (work, toMessage) => void work.then((result) => pushOwn(toMessage(result))).catch(fail),
});

interface Life<Message> {
  readonly self: Self<Message>;
  readonly inbox: Mailbox<Message>;
  readonly clock: Clock;
  readonly abort: () => void;
}

/** From the first message to the end of `terminate`. */
const live = async <State, Message>(
  behavior: Behavior<State, Message>,
  first: State,
  { self, inbox, clock, abort }: Life<Message>,
): Promise<void> => {
  let state = first;
  let handled = 0;
  try {
    while (await inbox.arrival()) {
      for (let message = inbox.shift(); message !== undefined; message = inbox.shift()) {
        const next = behavior.receive(state, message, self);
        state = next instanceof Promise ? await next : next;
        if (++handled % burst === 0) await new Promise<void>((resolve) => clock.immediate(resolve));
      }
    }
  } catch (error) {
    abort();
    // What terminate throws after a crash says less than the crash itself.
    await Promise.resolve(state)
      .then((last) => behavior.terminate?.(last))
      .catch(() => {});
    throw error;
  }
  await behavior.terminate?.(state);
};

interface Asking {
  readonly clock: Clock;
  readonly name: string;
  readonly timeoutMs: number;
}

const ask = <Message, Value>(
  { inbox, asking }: Incarnation<Message>,
  toMessage: (reply: ReplyTo<Value>) => Message,
  { clock, name, timeoutMs }: Asking,
): Promise<Value> =>
  new Promise((resolve, reject) => {
    const settle =
      <Result>(by: (result: Result) => void) =>
      (result: Result): void => {
        timeout.cancel();
        asking.delete(fail);
        by(result);
      };
    const fail = settle(reject);
    const timeout = clock.timer(timeoutMs, () =>
      fail(new TimeoutError(`${name} did not answer within ${formatMs(timeoutMs)}`)),
    );
    asking.add(fail);
    try {
      inbox.push(toMessage({ resolve: settle(resolve), reject: fail }));
    } catch (error) {
      fail(error);
    }
  });
