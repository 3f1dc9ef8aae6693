/** What a door needs of an app: whether it takes a task, and where it puts it. */
import type { Route } from '../bus/subjects.ts';
import type { Envelope } from './envelope.ts';
import type { Json } from './record.ts';

export interface Admitted {
  readonly route: Route;
  /** The submitter's, else the task's own. Without one, the door makes it. */
  readonly id?: string;
  /** With what the task's own policy adds to what the submitter said. */
  readonly envelope: Envelope;
}

export interface Admission {
  /** Throws, or rejects with, `UnknownTaskError` or `InvalidInputError`. */
  admit(type: string, input: Json, envelope: Envelope, bytes: number): Admitted | Promise<Admitted>;
}
