/** Storing a message that must be stored once, whatever happens to the answers (R4). */
import type { StreamPublishOptions } from '../bus/queue.ts';
import { ConflictError, TimeoutError, UnavailableError } from '../kernel/errors.ts';
import type { TaskPorts } from './ports.ts';

const retryFirstMs = 50;
const retryMostMs = 2_000;

/**
 * Stores the message unless its subject holds one, and goes on asking until the server answers. `there` means that the
 * subject holds one: an earlier one, or this one after an answer that was lost. Throws `RefusedError`.
 */
export const publishOnce = async (
  { queue, clock, random }: Pick<TaskPorts, 'queue' | 'clock' | 'random'>,
  subject: string,
  data: Uint8Array,
  options: Omit<StreamPublishOptions, 'expectSeq'> & { readonly giveUpAfterMs?: number } = {},
): Promise<'stored' | 'there'> => {
  const { giveUpAfterMs = Number.POSITIVE_INFINITY, ...rest } = options;
  const until = clock.monotonic() + giveUpAfterMs;
  for (let waitMs = retryFirstMs; ; waitMs = Math.min(waitMs * 2, retryMostMs)) {
    try {
      await queue.publish(subject, data, { ...rest, expectSeq: 0 });
      return 'stored';
    } catch (error) {
      if (error instanceof ConflictError) return 'there';
      if (!(error instanceof TimeoutError || error instanceof UnavailableError)) throw error;
      if (clock.monotonic() + waitMs > until) throw error;
    }
    await clock.sleep(waitMs * (0.5 + random.next() / 2));
  }
};
