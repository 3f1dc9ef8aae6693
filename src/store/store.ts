/**
 * Port: the history, for ever. Rows are what records were when they were projected; SQL answers what KV has forgotten.
 */

export interface StepRow {
  readonly name: string;
  /** '' where the step has none. */
  readonly key: string;
  /** Place in the journal, from 0. */
  readonly position: number;
  /** JSON text. */
  readonly result: string | undefined;
  readonly at: string;
  readonly ms: number;
}

/**
 * One task at one revision of its record. Times are ISO 8601, values JSON text: its input, its result and those of its steps
 * are read back by the letter, all others equal as JSON.
 */
export interface TaskRow {
  readonly type: string;
  readonly id: string;
  /** Of the bucket that the revision counts in. Later ones sort higher, byte by byte. */
  readonly incarnation: string;
  readonly revision: number;
  readonly pool: string;
  readonly lane: string;
  readonly key: string | undefined;
  readonly tenant: string | undefined;
  readonly group: string | undefined;
  readonly title: string | undefined;
  readonly status: string;
  /** Why it is `dead`. */
  readonly reason: string | undefined;
  readonly attempt: number;
  readonly failures: number;
  readonly worker: string | undefined;
  readonly inputHash: string | undefined;
  readonly input: string | undefined;
  readonly result: string | undefined;
  readonly error: string | undefined;
  readonly waiting: string | undefined;
  readonly usage: string | undefined;
  readonly parent: string | undefined;
  readonly redriveOf: string | undefined;
  readonly deadline: string | undefined;
  readonly createdAt: string;
  readonly startedAt: string | undefined;
  readonly finishedAt: string | undefined;
  /** Names and keys are unique together. */
  readonly steps: readonly StepRow[];
}

/** A dead letter as the DLQ stream holds it. `(incarnation, revision)` is its place there. */
export interface DeadLetterRow {
  readonly type: string;
  readonly id: string;
  readonly reason: string;
  readonly pool: string;
  /** JSON text. */
  readonly error: string | undefined;
  readonly body: string;
  readonly at: string;
  readonly incarnation: string;
  readonly revision: number;
}

/** How far a stream has been projected. */
export interface Mark {
  readonly stream: string;
  /** What the stream called itself. */
  readonly source: string;
  /** What the rows written from it say. The same as `source`, unless that would sort below what was there before. */
  readonly incarnation: string;
  /** The highest revision written. */
  readonly revision: number;
  /** Of the message at that revision: another one there later means that the stream's history is another one. */
  readonly digest: string;
}

export type TaskName = Pick<TaskRow, 'type' | 'id'>;

export interface AskedTask extends TaskName {
  /** ISO 8601. What ended before it was another task of the same id. */
  readonly since?: string;
}

export interface Store {
  /**
   * Writes a batch, and its mark, in one transaction. A row of an older or equal `(incarnation, revision)` than the
   * stored one, or than another one of the batch, changes nothing; a later incarnation always wins. The same for marks.
   * Throws `RefusedError` where the database will never take one of the rows (then none is written),
   * `UnavailableError` where it may take them later, or where nobody knows whether it did: send them again.
   */
  project(rows: readonly TaskRow[], mark?: Mark): Promise<void>;
  /** Writes a batch in one transaction; what is there already stays as it is. Throws as `project` does. */
  projectDeadLetters(rows: readonly DeadLetterRow[]): Promise<void>;
  /** The mark of the last batch from `stream`. Throws `UnavailableError`. */
  mark(stream: string): Promise<Mark | undefined>;
  /** Throws `UnavailableError`. */
  task(type: string, id: string): Promise<TaskRow | undefined>;
  /** Oldest first. Throws `UnavailableError`. */
  deadLetters(type: string, id: string): Promise<readonly DeadLetterRow[]>;
  /** How many of these tasks have which status; those that it does not know have none. Throws `UnavailableError`. */
  countByStatus(tasks: readonly AskedTask[]): Promise<Readonly<Record<string, number>>>;
  /** Those of these tasks that ended before a time, ISO 8601. Throws `UnavailableError`. */
  endedBefore(tasks: readonly TaskName[], time: string): Promise<readonly TaskName[]>;
  /** Brings the schema up to date, one migrator at a time. Throws `UnavailableError`, or what the database says. */
  migrate(): Promise<void>;
  /** Whether the database answers now. Never throws. */
  ready(): Promise<boolean>;
  /** Waits for what is under way. Idempotent. */
  close(): Promise<void>;
}
