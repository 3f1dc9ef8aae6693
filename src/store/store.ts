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

/** One task at one revision of its record. Times are ISO 8601, values JSON text. */
export interface TaskRow {
  readonly type: string;
  readonly id: string;
  readonly incarnation: string;
  readonly revision: number;
  readonly pool: string;
  readonly lane: string;
  readonly key: string | undefined;
  readonly tenant: string | undefined;
  readonly group: string | undefined;
  readonly status: string;
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
  readonly steps: readonly StepRow[];
}

/** A dead letter as the DLQ stream holds it. */
export interface DeadLetterRow {
  readonly type: string;
  readonly id: string;
  readonly reason: string;
  readonly pool: string;
  readonly error: string | undefined;
  readonly body: string;
  readonly at: string;
  readonly incarnation: string;
  readonly revision: number;
}

export interface Store {
  /**
   * Writes a batch in one transaction. A row of an older or equal `(incarnation, revision)` than the stored one changes
   * nothing; a later incarnation always wins. Throws `RefusedError` where the database will never take one of the rows
   * (then none is written), `UnavailableError` where it may take them later.
   */
  project(rows: readonly TaskRow[]): Promise<void>;
  projectDeadLetters(rows: readonly DeadLetterRow[]): Promise<void>;
  /** Throws `UnavailableError`. */
  task(type: string, id: string): Promise<TaskRow | undefined>;
  /** How many tasks of a group have which status. Throws `UnavailableError`. */
  groupCounts(group: string): Promise<Readonly<Record<string, number>>>;
  /** Brings the schema up to date, one migrator at a time. */
  migrate(): Promise<void>;
  /** Whether the database answers now. Never throws. */
  ready(): Promise<boolean>;
  close(): Promise<void>;
}
