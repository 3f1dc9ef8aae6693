/** Storing a message that must be stored once, whatever happens to the answers (R4). */
import type { StreamPublishOptions } from '../bus/queue.ts';
import { ConflictError } from '../kernel/errors.ts';
import { untilAnswered } from '../kernel/unanswered.ts';
import type { TaskPorts } from './ports.ts';

type PublishPorts = Pick<TaskPorts, 'queue' | 'clock' | 'random'>;

export interface PublishOnceOptions extends Omit<StreamPublishOptions, 'expectSeq'> {
  /** The one message of the subject that this one may follow, by its sequence; 0, none. */
  readonly after?: number;
  /** How long to go on asking; for ever. */
  readonly giveUpAfterMs?: number;
}

/**
 * Stores the message unless its subject holds one, and goes on asking until the server answers. `there` means that the
 * subject holds one: an earlier one, or this one after an answer that was lost. Throws `RefusedError`.
 */
export const publishOnce = async (
  ports: PublishPorts,
  subject: string,
  data: Uint8Array,
  options?: PublishOnceOptions,
): Promise<'stored' | 'there'> => ((await storeOnce(ports, subject, data, options)) === undefined ? 'there' : 'stored');

/** The same; answers the message's sequence, or `undefined` for `there`. */
export const storeOnce = async (
  { queue, clock, random }: PublishPorts,
  subject: string,
  data: Uint8Array,
  { after = 0, giveUpAfterMs, ...options }: PublishOnceOptions = {},
): Promise<number | undefined> => {
  const store = () => queue.publish(subject, data, { ...options, expectSeq: after });
  try {
    return (await untilAnswered({ clock, random, giveUpAfterMs }, store)).seq;
  } catch (error) {
    if (error instanceof ConflictError) return undefined;
    throw error;
  }
};
