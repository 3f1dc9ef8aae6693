/** A task that was given up, with all that it takes to see why and to try it again. */
import type { Headers } from '../bus/bus.ts';
import { type Lane, streams, subjects } from '../bus/subjects.ts';
import type { TaskPorts } from './ports.ts';
import { encodeJson } from './json.ts';
import { publishOnce } from './publish.ts';
import type { Failure, TaskRecord } from './record.ts';

/** What came with the task: enough to submit it again. */
export interface Carried {
  readonly payload: Uint8Array;
  readonly headers: Headers;
}

/**
 * The body of a dead letter; JSON. `input` is the payload as text, whatever it is: what is in here may be in here
 * because it is no JSON.
 */
export interface DeadLetter {
  readonly type: string;
  readonly id: string;
  readonly pool: string;
  readonly lane: Lane;
  readonly reason: string;
  readonly error: Failure;
  readonly attempts: number;
  readonly failures: number;
  readonly tenant?: string;
  readonly parent?: string;
  readonly redriveOf?: string;
  readonly worker?: string;
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly deadAt: string;
  readonly input: string;
  readonly headers: Headers;
}

const text = new TextDecoder();

const letterOf = (record: TaskRecord, { payload, headers }: Carried, now: number): DeadLetter => ({
  type: record.type,
  id: record.id,
  pool: record.pool,
  lane: record.lane,
  reason: record.reason ?? 'exhausted',
  error: record.error ?? { code: 'unknown', message: 'no error was recorded' },
  attempts: record.attempt,
  failures: record.failures,
  ...(record.tenant === undefined ? {} : { tenant: record.tenant }),
  ...(record.parent === undefined ? {} : { parent: record.parent }),
  ...(record.redriveOf === undefined ? {} : { redriveOf: record.redriveOf }),
  ...(record.worker === undefined ? {} : { worker: record.worker }),
  createdAt: record.createdAt,
  ...(record.startedAt === undefined ? {} : { startedAt: record.startedAt }),
  deadAt: record.finishedAt ?? new Date(now).toISOString(),
  input: text.decode(payload),
  headers,
});

/** Writes it once, however often it is asked to. */
export const writeDeadLetter = async (
  ports: Pick<TaskPorts, 'queue' | 'clock' | 'random' | 'metrics'>,
  record: TaskRecord,
  recordKey: string,
  carried: Carried,
): Promise<void> => {
  const reason = record.reason ?? 'exhausted';
  const body = encodeJson(letterOf(record, carried, ports.queue.now()));
  const outcome = await publishOnce(ports, subjects.dlq(record.pool, reason, recordKey), body);
  if (outcome === 'stored') ports.metrics.deadLetters.labels(reason).inc();
};

/** The task's last dead letter. What the projector could not write lies under the same key, and is another thing. */
export const readDeadLetter = async (
  { queue }: Pick<TaskPorts, 'queue'>,
  recordKey: string,
): Promise<DeadLetter | undefined> => {
  const found = await queue.subjects(streams.dlq, subjects.dlqOfTask(recordKey));
  const own = [...found.keys()].filter((subject) => !subject.startsWith(subjects.dlqOfPool('projector')));
  const letters = await Promise.all(own.map((subject) => queue.last(streams.dlq, subject)));
  const last = letters.reduce(
    (newest, letter) => (letter && letter.seq > (newest?.seq ?? 0) ? letter : newest),
    undefined,
  );
  return last && JSON.parse(text.decode(last.data));
};
