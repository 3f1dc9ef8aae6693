/** A task that was given up, with all that it takes to see why and to try it again. */
import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import type { Headers } from '../bus/bus.ts';
import { encodeJson } from '../bus/json.ts';
import { type Lane, streams, subjects } from '../bus/subjects.ts';
import type { TaskPorts } from './ports.ts';
import { publishOnce } from './publish.ts';
import type { DeadReason, Failure, TaskRecord } from './record.ts';

/** What came with the task: enough to submit it again. */
export interface Carried {
  readonly payload: Uint8Array;
  readonly headers: Headers;
}

/**
 * The body of a dead letter; JSON. `input` is the payload as text, whatever it is: what is in here may be in here
 * because it is no JSON. Of bytes that are no text there is `inputBase64` too.
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
  readonly inputBase64?: string;
  readonly headers: Headers;
}

const text = new TextDecoder();

/** The payload as it came. */
export const inputOf = ({ input, inputBase64 }: Pick<DeadLetter, 'input' | 'inputBase64'>): Uint8Array =>
  inputBase64 === undefined ? Buffer.from(input) : Buffer.from(inputBase64, 'base64');

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
  ...(isUtf8(payload) ? {} : { inputBase64: Buffer.from(payload).toString('base64') }),
  headers,
});

/** Well below the smallest message that a server is set to take. */
const letterBytesMax = 768 * 1024;
/** Escaped, each may be six times as long. */
const cutChars = 100_000;

/** Whatever the inbox took fits. What has to be cut is larger than any input, so that nobody could run it again. */
export const encodeLetter = <Letter extends Pick<DeadLetter, 'input' | 'inputBase64' | 'headers'>>(
  letter: Letter,
): Uint8Array => {
  const body = encodeJson(letter);
  if (body.length <= letterBytesMax) return body;
  return encodeJson({ ...letter, input: letter.input.slice(0, cutChars), inputBase64: undefined, headers: {} });
};

/**
 * Writes it once, however often it is asked to. An id that was used again after its record was forgotten may die twice:
 * each time has its letter.
 */
export const writeDeadLetter = async (
  ports: Pick<TaskPorts, 'queue' | 'clock' | 'random' | 'log' | 'metrics'>,
  record: TaskRecord,
  recordKey: string,
  carried: Carried,
): Promise<void> => {
  const reason = record.reason ?? 'exhausted';
  const subject = subjects.dlq(record.pool, reason, recordKey);
  const body = encodeLetter(letterOf(record, carried, ports.queue.now()));
  for (let after = 0; (await publishOnce(ports, subject, body, { after })) === 'there'; ) {
    const there = await ports.queue.last(streams.dlq, subject);
    if (there && createdAt(there.data) === record.createdAt) return;
    after = there?.seq ?? 0;
  }
  account(ports, record, recordKey, carried.payload);
};

/** What is wrong with the task itself, rather than with what became of it. */
const badInput: ReadonlySet<string> = new Set<DeadReason>([
  'invalid_input',
  'invalid_json',
  'invalid_header',
  'invalid_name',
  'unknown_task',
  'id_conflict',
]);
/** Of a key in a log: an id may have hundreds. */
const keyChars = 300;

/** A number, and a line that shows no byte of the input. */
const account = (
  { log, metrics }: Pick<TaskPorts, 'log' | 'metrics'>,
  { reason = 'exhausted', error, attempt, pool }: TaskRecord,
  recordKey: string,
  payload: Uint8Array,
): void => {
  const code = error?.code ?? 'unknown';
  metrics.deadLetters.labels(reason).inc();
  // Of bad JSON the code says what kind.
  if (badInput.has(reason)) metrics.badInput.labels(reason === 'invalid_json' ? code : reason).inc();
  const task = recordKey.slice(0, keyChars);
  const inputHash = hash('sha256', payload, 'hex').slice(0, 16);
  log.warn({ task, pool, reason, code, attempt, inputHash, bytes: payload.length }, 'a task was dead-lettered');
};

const createdAt = (body: Uint8Array): unknown => {
  try {
    const letter: Partial<DeadLetter> = JSON.parse(text.decode(body));
    return letter.createdAt;
  } catch {
    return undefined; // Somebody else's writing.
  }
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
