import type { Bus } from '../../src/bus/bus.ts';
import type { Queue } from '../../src/bus/queue.ts';

/**
 * Deletes a stream and has it made again, until the new one is empty. With nats-server 2.15.1 it may not be: a deletion now
 * and then leaves the stream's directory behind, and what is made there is given the old messages (seen 19 times of 3,116).
 */
export const madeAnew = async (
  { bus, queue }: { readonly bus: Bus; readonly queue: Queue },
  stream: string,
  make: () => Promise<unknown>,
): Promise<void> => {
  for (;;) {
    await bus.request(`$JS.API.STREAM.DELETE.${stream}`, new Uint8Array(0));
    await make();
    if ((await queue.streamInfo(stream)).lastSeq === 0) return;
  }
};
