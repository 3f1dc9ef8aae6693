/**
 * The app's schedules in SCHED. Looked at again now and then: while an app is deployed, a node of the version before may start
 * once more, and remove what it does not know.
 */
import { encodeJson } from '../bus/json.ts';
import type { Queue, ScheduleSpec } from '../bus/queue.ts';
import { streams, subjects } from '../bus/subjects.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';

/** One schedule of the app. */
export interface CronSpec {
  readonly name: string;
  readonly task: string;
  readonly when: ScheduleSpec;
  readonly input: unknown;
  /** `skip`: no new task while the last firing's has not ended. */
  readonly overlap: 'skip' | 'allow';
}

export const cronHeader = {
  task: 'Troupe-Cron-Task',
  overlap: 'Troupe-Cron-Overlap',
  spec: 'Troupe-Cron-Spec',
} as const;
const prefix = subjects.cron('x').slice(0, -1);
const everyMs = 300_000;

/** Sets the app's schedules, and removes those that it does not have: answers their names. One that has not changed keeps its phase. */
export const setSchedules = async (queue: Queue, specs: readonly CronSpec[]): Promise<readonly string[]> => {
  const wanted = new Set(specs.map(({ name }) => subjects.cron(name)));
  const stored = [...(await queue.subjects(streams.sched, `${prefix}>`)).keys()];
  const strange = stored.filter((subject) => !wanted.has(subject));
  for (const subject of strange) await queue.purge(streams.sched, subject);

  for (const { name, task, when, input, overlap } of specs) {
    const subject = subjects.cron(name);
    const spec = JSON.stringify({ task, when, input, overlap });
    const before = await queue.last(streams.sched, subject);
    if (before?.headers[cronHeader.spec] === spec) continue;
    await queue.publish(subject, encodeJson(input ?? null), {
      headers: { [cronHeader.task]: task, [cronHeader.overlap]: overlap, [cronHeader.spec]: spec },
      schedule: { when, target: subjects.dueCron(name) },
    });
  }
  return strange.map((subject) => subject.slice(prefix.length));
};

export interface SchedulesOptions {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Schedules {
  /** With it the schedules are set. */
  readonly start: Start;
  /** Sets them again, when SCHED was made anew. */
  look(): void;
}

export const schedules = ({ queue, clock, log }: SchedulesOptions, specs: readonly CronSpec[]): Schedules => {
  const set = async (): Promise<void> => {
    for (const schedule of await setSchedules(queue, specs))
      log.info({ schedule }, 'removed a schedule that this app does not have');
  };
  const look = (): void => {
    // Again in five minutes.
    set().catch((error: unknown) => log.warn({ err: error }, 'the schedules could not be looked at'));
  };
  return {
    start: async (signal) => {
      await set();
      const keeping = clock.every(everyMs, look);
      return { exit: aborted(signal).then(() => keeping.cancel()) };
    },
    look,
  };
};
