/**
 * Port: streams, and the durable consumers that hand their messages out again until they are settled.
 * The words and the semantics are JetStream's; KV buckets are streams too (see `kv/bucket.ts`).
 */
import type { Headers, Subscription } from './bus.ts';

/** A message as a stream keeps it. */
export interface Stored {
  readonly stream: string;
  readonly subject: string;
  readonly seq: number;
  readonly data: Uint8Array;
  /** As they were published, with what was ordered: `Nats-TTL`, `Nats-Schedule`, `Nats-Schedule-Target`. */
  readonly headers: Headers;
  /** When the stream took it: the server's clock, epoch milliseconds. */
  readonly at: number;
}

/** One hand-out of a stored message. Settle it once; unsettled, it comes back after the consumer's ack wait. */
export interface Delivery extends Stored {
  /**
   * How often the message has been handed out, this time included. Not a count of attempts, and after a crash of the
   * server it may begin anew.
   */
  readonly deliveries: number;
  /** Messages of this consumer that were still waiting behind this one. */
  readonly pending: number;
  /** Takes the message out of the stream. Fire and forget: a lost ack means another delivery. */
  ack(): void;
  /** Asks for another delivery, at once or after `delayMs`. */
  nak(delayMs?: number): void;
  /** Takes the message out of the stream, with an advisory that says why. */
  term(reason: string): void;
  /** Starts the ack wait anew. */
  working(): void;
}

/** `every` is in ms and at least 1,000; `cron` has six fields (seconds first); `at` is epoch ms, and in the past means now. */
export type ScheduleSpec =
  | { readonly at: number }
  | { readonly every: number }
  | { readonly cron: string; readonly timezone?: string };

export interface StreamPublishOptions {
  /** Those whose names begin with `Nats-` are orders to the server and do not leave: orders are given by options. */
  readonly headers?: Headers;
  /** The sequence of the subject's last message, 0 for none; another one there means `ConflictError`. */
  readonly expectSeq?: number;
  /** The message removes itself after this long; at least 1,000 ms. */
  readonly ttlMs?: number;
  /** Publishes the message to `target` (a subject of the same stream) when it is due, instead of now. */
  readonly schedule?: { readonly when: ScheduleSpec; readonly target: string };
  /** How long to wait for the server's word; 5,000 ms. */
  readonly timeoutMs?: number;
}

export interface PubAck {
  readonly stream: string;
  readonly seq: number;
}

export interface StreamSpec {
  readonly name: string;
  readonly subjects: readonly string[];
  /** `work`: a message leaves when it is acked. `limits`: it leaves by age or size, oldest first. `last`: the last one of each subject stays (a KV bucket). */
  readonly keep: 'work' | 'limits' | 'last';
  readonly storage?: 'file' | 'memory';
  /** Past it, `work` and `last` streams refuse the publisher and `limits` streams drop the oldest. */
  readonly maxBytes?: number;
  /** Likewise, counted in messages. */
  readonly maxMessages?: number;
  /** Only for `limits`: an accepted task never leaves by age. */
  readonly maxAgeMs?: number;
  /** Takes schedules; such a stream has no limit that could drop one. */
  readonly schedules?: boolean;
  readonly maxMsgBytes?: number;
  readonly replicas?: number;
  readonly description?: string;
}

export interface StreamInfo {
  readonly name: string;
  /** Made when the stream was created; another one means the sequences started over. */
  readonly incarnation: string;
  readonly lastSeq: number;
  readonly messages: number;
  readonly bytes: number;
  readonly maxBytes: number;
}

export interface ConsumerSpec {
  readonly stream: string;
  readonly name: string;
  readonly filter: string;
  readonly ackWaitMs: number;
  /** Unsettled deliveries at most, over all who pull. */
  readonly maxAckPending: number;
  /** `each` message is acked by itself; `through`: an ack settles all before it too. `each`. */
  readonly ack?: 'each' | 'through';
}

export interface ConsumerInfo {
  readonly pending: number;
  readonly ackPending: number;
  readonly redelivered: number;
  /** Pulls that wait for messages. */
  readonly waiting: number;
  /** All up to this stream sequence is settled. */
  readonly ackFloor: number;
  /** All up to this stream sequence has been handed out. */
  readonly handedOut: number;
  /** It hands out nothing before this moment, ISO 8601: an operator has paused it. */
  readonly pausedUntil?: string;
}

export interface PullRequest {
  /** Deliveries at most. */
  readonly batch: number;
  /** How long the server may hold the pull open for messages to come; 0: only what is there now. */
  readonly waitMs: number;
}

export interface PullHandlers {
  /**
   * Called in the tick in which the message arrived. Must not throw. What the server had sent to a pull that was lost
   * may still come, beyond what has been asked for since.
   */
  deliver(delivery: Delivery): void;
  /**
   * Called once for each pull that ended with fewer deliveries than it asked for, `left` short.
   * `empty`: there was no more. `lost`: the server or the connection let go of it; wait a little before the next.
   */
  ended(left: number, reason: 'empty' | 'lost'): void;
}

export interface Consumer {
  pull(request: PullRequest): void;
  /**
   * Lets go of the open pulls, once those that do not wait are answered. What the server had sent by then is still
   * delivered before the promise resolves (hand it back), so that nothing has to wait for its ack wait. Never rejects.
   */
  close(): Promise<void>;
}

/** A live reading of a stream, in order, from a position; it goes on by itself after a reconnect, without gaps or repeats. */
export interface TailOptions {
  /** One or several subjects, wildcards allowed. */
  readonly filter: string | readonly string[];
  /** `all`: everything stored, `last`: the last message of each subject, `new`: from now, or a stream sequence. */
  readonly from: 'all' | 'last' | 'new' | { readonly seq: number };
  readonly headersOnly?: boolean;
  deliver(message: Stored): void;
  /** Called once, when everything that was stored at the start has been delivered. */
  caughtUp?(): void;
}

export interface Queue {
  /** The server's clock, epoch ms, carried forward on the own monotonic clock from what the server last said. */
  now(): number;

  /**
   * Stores a message. Throws `ConflictError` (expectSeq), `RefusedError` (full, too large, a TTL or schedule that cannot
   * be) or `UnavailableError` (no stream takes the subject, nobody leads it, no connection): not stored; `TimeoutError`:
   * unknown, publish the same again.
   */
  publish(subject: string, data: Uint8Array, options?: StreamPublishOptions): Promise<PubAck>;

  /** The message at a sequence, from the stream's leader. Throws `NotFoundError` for an unknown stream. */
  get(stream: string, seq: number): Promise<Stored | undefined>;

  /** The last message on a subject (wildcards allowed), from the stream's leader. Throws `NotFoundError` for an unknown stream. */
  last(stream: string, subject: string): Promise<Stored | undefined>;

  /** The last messages of many exact subjects in few reads, from any replica: may be behind. All are in memory at once. */
  lastOfEach(stream: string, subjects: readonly string[]): Promise<ReadonlyMap<string, Stored>>;

  /**
   * The first messages on a subject from a sequence on, as many as one read brings, from any replica: may be behind. None
   * where there are no more.
   */
  from(stream: string, subject: string, seq: number): Promise<readonly Stored[]>;

  /** How many messages each subject that matches `filter` holds. */
  subjects(stream: string, filter: string): Promise<ReadonlyMap<string, number>>;

  /** Removes all messages of the subjects that match `filter`, and answers how many. */
  purge(stream: string, filter: string): Promise<number>;

  /** Creates the stream, or brings an existing one to this spec. Idempotent. */
  ensureStream(spec: StreamSpec): Promise<StreamInfo>;
  /**
   * Creates the consumer, or brings an existing one to this spec. Idempotent. While anybody pulls from it, or has
   * deliveries of it in hand, its ack wait is not shortened. Answers the one that it has.
   */
  ensureConsumer(spec: ConsumerSpec): Promise<Pick<ConsumerSpec, 'ackWaitMs'>>;
  /** The names of the streams that take what is published to some subject that `filter` matches. */
  streamsTaking(filter: string): Promise<readonly string[]>;
  /** Throws `NotFoundError`. */
  streamInfo(stream: string): Promise<StreamInfo>;
  /** Throws `NotFoundError`. */
  consumerInfo(stream: string, consumer: string): Promise<ConsumerInfo>;
  /** The bytes that the account may store in files, or undefined where there is no limit. */
  storageLimit(): Promise<number | undefined>;

  /** Pulls from a durable consumer that exists. */
  consume(stream: string, consumer: string, handlers: PullHandlers): Consumer;
  /** Throws `NotFoundError`, and `OverloadedError` where the stream has as many consumers as it may. */
  tail(stream: string, options: TailOptions): Promise<Subscription>;
}
