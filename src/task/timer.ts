/** Timers of tasks in SCHED: of a delay, and of a wait for the next attempt. */
import { streams } from '../bus/subjects.ts';
import type { TaskPorts } from './ports.ts';
import { publishOnce, type PublishOnceOptions } from './publish.ts';
import { writeStranger } from './stranger.ts';

const noTimer = {
  reason: 'no_timer',
  message: 'it would never have fallen due, and was in the way of a task',
} as const;

/**
 * Sets it once, as `publishOnce` stores a message. What somebody has put in its place by hand never fires: the task would
 * wait for ever, so it makes way.
 */
export const setTimer = async (
  ports: Pick<TaskPorts, 'queue' | 'clock' | 'random'> & Partial<Pick<TaskPorts, 'log' | 'metrics'>>,
  subject: string,
  data: Uint8Array,
  options: PublishOnceOptions,
): Promise<'stored' | 'there'> => {
  const outcome = await publishOnce(ports, subject, data, options);
  if (outcome === 'stored') return outcome;
  const there = await ports.queue.last(streams.sched, subject);
  if (!there || there.headers['Nats-Schedule'] !== undefined) return outcome;
  await writeStranger(ports, there, noTimer);
  ports.metrics?.badInput.labels(noTimer.reason).inc();
  ports.log?.warn({ stream: there.stream, seq: there.seq, reason: noTimer.reason }, 'what was no timer made way');
  return publishOnce(ports, subject, data, { ...options, after: there.seq });
};
