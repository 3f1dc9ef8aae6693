import type { Lane } from '../bus/subjects.ts';
import type { Duration } from '../kernel/duration.ts';
import type { Schema } from './schema.ts';

/** What a submitter must know of a task. Every `Task` is one, with a handler or without. */
export interface Contract<I extends Schema = Schema> {
  readonly name: string;
  readonly input: I;
}

/** How one task is submitted. Whatever is left out, the task's own policy says. */
export interface SubmitOptions {
  /** The same task and id is the same run. 1 to 512 bytes; by default the task's `id(input)`, else made at random. */
  readonly id?: string;
  /** By default the task's `key(input)`. */
  readonly key?: string;
  /** By default the task's `tenant(input)`, else the client's. */
  readonly tenant?: string;
  /** By default the task's lane. A classify rule of the app goes before it. */
  readonly lane?: Lane;
  /** Not to be started before this long from now; 0. Not together with `at`. */
  readonly delay?: Duration;
  /** Not to be started before; a time in the past is now. From 1970 on and before the year 2200. Not together with `delay`. */
  readonly at?: Date;
  /** From now, or from when it is due, to its end; by default the task's. Past it, the run fails with DeadlineExceededError. */
  readonly deadline?: Duration;
  /** Handed on to classify rules: 1,024 characters each, 8 KiB in all. Names that begin with `Nats-` or `Troupe-` are refused with InvalidInputError. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Tasks of one group are counted, awaited and cancelled together: see `client.group`. */
  readonly group?: string;
}
