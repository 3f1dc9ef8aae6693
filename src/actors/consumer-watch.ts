/**
 * Looks after all consumers: the metrics show how much waits for each, and one that is gone is made again. Somebody has
 * deleted it, or its stream, which was made anew since; pulls say nothing of it but that they are lost, as they do in every
 * outage, and nothing would be fetched any more.
 */
import type { Bus } from '../bus/bus.ts';
import type { ConsumerSpec, Queue } from '../bus/queue.ts';
import { type Clock, pause } from '../kernel/clock.ts';
import { NotFoundError } from '../kernel/errors.ts';
import { ifFound } from '../kernel/found.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Start } from '../kernel/process.ts';

export interface ConsumerWatchOptions {
  readonly bus: Pick<Bus, 'connection'>;
  readonly queue: Pick<Queue, 'consumerInfo' | 'ensureConsumer'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'consumerPending' | 'consumerAckPending'>;
  readonly consumers: readonly ConsumerSpec[];
}

const everyMs = 15_000;

export const consumerWatch = ({ bus, queue, clock, log, metrics, consumers }: ConsumerWatchOptions): Start => {
  /** Those whose stream is gone too, and that has been said. */
  const lost = new Set<ConsumerSpec>();

  const look = async (spec: ConsumerSpec): Promise<void> => {
    const { stream, name: consumer } = spec;
    try {
      const info = await ifFound(queue.consumerInfo(stream, consumer));
      if (info) {
        metrics.consumerPending.labels(stream, consumer).set(info.pending);
        metrics.consumerAckPending.labels(stream, consumer).set(info.ackPending);
      } else {
        await queue.ensureConsumer(spec);
        log.warn({ stream, consumer }, 'the consumer was gone and is made again: what was in hand is handed out again');
      }
      lost.delete(spec);
    } catch (error) {
      // Whatever it is, there is another look.
      if (!(error instanceof NotFoundError))
        return log.debug({ err: error, stream, consumer }, 'nobody says whether the consumer is there');
      if (lost.has(spec)) return;
      lost.add(spec);
      log.warn(
        { stream, consumer },
        'the stream is gone, with what was in it: the next node that starts makes it anew',
      );
    }
  };

  const watch = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      for (const spec of consumers) if (!signal.aborted && bus.connection === 'connected') await look(spec);
      await pause(clock, everyMs, signal);
    }
  };

  return (signal) => Promise.resolve({ exit: watch(signal) });
};
