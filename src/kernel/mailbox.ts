/**
 * A queue with one reader, bounded for all who write to it but its owner. A ring, so that taking
 * from a long one costs what taking from a short one does.
 */
import { MailboxFullError } from './errors.ts';

/** Ends when its signal aborts, dropping what is still inside. */
export interface Mailbox<Message> extends AsyncIterable<Message> {
  readonly size: number;
  /** Throws MailboxFullError at the capacity. After the end it answers false: the message is dropped. */
  readonly push: (message: Message) => boolean;
  /** For what the owner sends itself, which its own doing bounds: never refused. */
  readonly pushOwn: (message: Message) => void;
  /** Makes the reader throw `error` instead of reading on. */
  readonly fail: (error: unknown) => void;
  /** The oldest message; undefined if there is none, or nothing more is to be read: `arrival` tells. */
  readonly shift: () => Message | undefined;
  /** Resolves with true when there is a message, with false at the end; rejects with what it failed with. */
  readonly arrival: () => Promise<boolean>;
}

export interface MailboxOptions {
  /** 10,000 messages. */
  readonly capacity?: number;
  /** Named in MailboxFullError. */
  readonly owner?: string;
}

export const mailbox = <Message>(
  signal: AbortSignal,
  { capacity = 10_000, owner = 'an actor' }: MailboxOptions = {},
): Mailbox<Message> => {
  let ring: (Message | undefined)[] = Array.from({ length: 16 });
  let first = 0;
  let size = 0;
  let failure: { readonly error: unknown } | undefined;
  let over = signal.aborted;
  let waiting: { resolve: (arrived: boolean) => void; reject: (error: unknown) => void } | undefined;

  const awaken = (): void => {
    if (!waiting) return;
    const { resolve, reject } = waiting;
    waiting = undefined;
    if (failure && !signal.aborted) reject(failure.error);
    else resolve(!over);
  };
  const finish = (): void => {
    over = true;
    awaken();
  };
  signal.addEventListener('abort', finish, { once: true });

  const pushOwn = (message: Message): void => {
    if (over) return;
    if (size === ring.length) {
      ring = [...ring.slice(first), ...ring.slice(0, first), ...Array.from<undefined>({ length: size })];
      first = 0;
    }
    ring[(first + size) & (ring.length - 1)] = message;
    size += 1;
    awaken();
  };

  const shift = (): Message | undefined => {
    if (over || size === 0) return undefined;
    const message = ring[first];
    ring[first] = undefined; // Or it would be kept alive until overwritten.
    first = (first + 1) & (ring.length - 1);
    size -= 1;
    return message;
  };

  const arrival = (): Promise<boolean> =>
    new Promise((resolve, reject) => {
      waiting = { resolve, reject };
      if (over || size > 0) awaken();
    });

  return {
    get size() {
      return size;
    },
    push: (message) => {
      if (over) return false;
      if (size >= capacity) throw new MailboxFullError(`the mailbox of ${owner} holds ${size} messages, its capacity`);
      pushOwn(message);
      return true;
    },
    pushOwn,
    fail: (error) => {
      failure ??= { error };
      finish();
    },
    shift,
    arrival,
    async *[Symbol.asyncIterator]() {
      while (await arrival()) {
        const message = shift();
        if (message !== undefined) yield message;
      }
    },
  };
};
