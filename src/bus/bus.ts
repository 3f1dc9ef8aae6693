/**
 * Port: plain messaging. At most once, no memory: what must not be lost goes through `queue.ts`.
 */

/** Header names are kept as written; one value a name. */
export type Headers = Readonly<Record<string, string>>;

export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Headers;
  /** Where an answer is awaited, if one is. */
  readonly reply?: string;
}

export interface PublishOptions {
  readonly headers?: Headers;
  readonly reply?: string;
}

export interface RequestOptions {
  readonly headers?: Headers;
  /** How long to wait for the answer; 5,000 ms. */
  readonly timeoutMs?: number;
}

export interface Subscription {
  unsubscribe(): void;
}

export type Connection = 'connected' | 'disconnected' | 'closed';

export interface Bus {
  /** The largest message the server takes, in bytes, headers included. */
  readonly maxPayload: number;
  readonly connection: Connection;

  /**
   * Fire and forget. While disconnected it is buffered or dropped, as the client library decides. Throws
   * `PayloadTooLargeError`, and `UnavailableError` once the connection is closed.
   */
  publish(subject: string, data: Uint8Array, options?: PublishOptions): void;

  /**
   * Asks and waits for one answer. Throws `UnavailableError` when nobody listens, `ConfigurationError` where this user may
   * not ask, `TimeoutError` when no answer came: whether the request was acted upon is then unknown.
   */
  request(subject: string, data: Uint8Array, options?: RequestOptions): Promise<Message>;

  /** Calls `handler` for each message on `subject` (wildcards allowed). Of one `queue` group, one member gets it. */
  subscribe(subject: string, handler: (message: Message) => void, options?: { readonly queue?: string }): Subscription;

  /** Tells of each change of `connection`. */
  onConnection(listener: (connection: Connection) => void): Subscription;

  /** Resolves when the server has seen everything published and subscribed so far. */
  flush(): Promise<void>;

  /** Flushes what was published, then disconnects. Idempotent. */
  close(): Promise<void>;
}
