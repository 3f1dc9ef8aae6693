/**
 * The one writer of a task's record. Writes go through one queue: while one is under way, what else comes is merged
 * into the next, so that steps that run in parallel do not fence their own task.
 */
import { FencedError, RefusedError } from '../kernel/errors.ts';
import { untilAnswered } from '../kernel/unanswered.ts';
import type { Entry } from '../kv/kv.ts';
import { fitted } from './fit.ts';
import type { TaskPorts } from './ports.ts';
import { encodeRecord, isTerminal, type TaskRecord } from './record.ts';
import { writeEncoded } from './records.ts';

type Change = (record: TaskRecord) => TaskRecord;

/**
 * Functions, where getters would read better: a getter in a literal gives each object a hidden class of its own, which
 * costs a task a quarter of its time and keeps all that it refers to past the young generation.
 */
export interface RecordWriter {
  /** With every change that was asked for, written or not. */
  record(): TaskRecord;
  /** What was written last, encoded. */
  bytes(): Uint8Array | undefined;
  /**
   * Resolves when the change is in KV. Throws `FencedError` when somebody else has written meanwhile: this attempt did
   * not do it, and does nothing more. What throws `RefusedError` is not in the record, as if it had not been asked for.
   */
  write(change: Change): Promise<void>;
  /** Resolves when KV still has what was written last; else as `write`. Waits for the answer as long as the attempt runs. */
  confirm(): Promise<void>;
  /** Whether this attempt, or whoever claimed the task for it, has written anything yet. */
  isWritten(): boolean;
  /** The last write: later ones, as of a handler that was left behind, throw `FencedError`. */
  end(change: Change): Promise<void>;
  /** The end without a last write. */
  close(): void;
  ended(): boolean;
}

export interface RecordWriterOptions {
  readonly ports: TaskPorts;
  readonly recordKey: string;
  readonly record: TaskRecord;
  /** Of `record` in KV; 0 if it is not there yet. */
  readonly revision: number;
  /** Called once, when somebody else has written. */
  fenced(error: FencedError): void;
}

export const recordWriter = (options: RecordWriterOptions): RecordWriter => {
  const { ports, recordKey } = options;
  let { record, revision } = options;
  let lost: FencedError | undefined;
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  let ended = false;
  let bytes: Uint8Array | undefined;
  /** What was written last, and what was asked for since the write under way, or the last one, began. */
  let written = record;
  let since: Change[] = [];

  const flush = async (): Promise<void> => {
    if (lost) throw lost;
    const wanted = record;
    since = [];
    try {
      const w = ports.random.nonce();
      const writing = { ...wanted, w };
      const fit = fitted(ports, recordKey, writing, encodeRecord(writing));
      const value = fit instanceof Promise ? await fit : fit;
      const ttlMs = isTerminal(writing) ? ports.recordLifeMs() : undefined;
      const answer = await writeEncoded(ports, recordKey, { w, value }, { expected: revision, ttlMs });
      if (answer.type === 'lost') throw lose(answer.current?.revision ?? 0);
      revision = answer.revision;
      bytes = value;
      written = wanted;
    } catch (error) {
      // Whoever asked for it hears of it, and may do without: kept, it would be refused with all that comes.
      if (error instanceof RefusedError) record = since.reduce((before, change) => change(before), written);
      throw error;
    } finally {
      running = undefined;
    }
  };

  const lose = (at: number): FencedError => {
    lost = new FencedError(`task ${recordKey} was written by another: it is at revision ${at}`);
    options.fenced(lost);
    return lost;
  };

  const start = (): Promise<void> => {
    running = flush();
    return running;
  };

  const write = (change: Change): Promise<void> => {
    record = change(record);
    since.push(change);
    if (next) return next;
    if (!running) return start();
    // Whatever the write under way comes to: a lost one makes the next throw by itself.
    next = running
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return start();
      });
    return next;
  };

  const read = async (): Promise<Entry | undefined> => {
    if (ended) throw tooLate(recordKey);
    return ports.records.get(recordKey);
  };

  const confirm = async (): Promise<void> => {
    for (;;) {
      await running?.catch(() => undefined);
      if (lost) throw lost;
      const expected = revision;
      const there = (await untilAnswered(ports, read))?.revision ?? 0;
      if (ended) throw tooLate(recordKey);
      if (there === expected) return;
      // Own writes may have come between.
      if (revision === expected && !running) throw lose(there);
    }
  };

  return {
    record: () => record,
    bytes: () => bytes,
    confirm,
    isWritten: () => revision > 0,
    write: (change) => (ended ? Promise.reject(tooLate(recordKey)) : write(change)),
    end: (change) => {
      ended = true;
      return write(change);
    },
    close: () => {
      ended = true;
    },
    ended: () => ended,
  };
};

const tooLate = (recordKey: string): FencedError => new FencedError(`this attempt of task ${recordKey} has ended`);
