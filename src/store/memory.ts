/** The history in memory: the same contract, and as particular about what it takes as Postgres is. */
import { RefusedError, UnavailableError } from '../kernel/errors.ts';
import { refusal } from './memory-refusal.ts';
import { isLater, latest, taskName } from './rows.ts';
import type { AskedTask, DeadLetterRow, Mark, Store, TaskName, TaskRow } from './store.ts';

export interface MemoryStore extends Store {
  /** Whether it answers: false is a database that is down. What was stored stays. */
  setAvailable(available: boolean): void;
}

export const memoryStore = (): MemoryStore => {
  const tasks = new Map<string, TaskRow>();
  const letters = new Map<string, DeadLetterRow>();
  const marks = new Map<string, Mark>();
  let available = true;

  /** No answer comes in the tick of the question. */
  const answer = async <Result>(work: () => Result): Promise<Result> => {
    await Promise.resolve();
    if (!available) throw new UnavailableError('the store is down');
    return work();
  };

  const lettersOf = (type: string, id: string): readonly DeadLetterRow[] =>
    [...letters.values()]
      .filter((letter) => letter.type === type && letter.id === id)
      .toSorted((a, b) => (isLater(a, b) ? 1 : -1));

  const hasEndedBefore = (name: TaskName, time: string): boolean => {
    const ended = tasks.get(taskName(name))?.finishedAt;
    return ended !== undefined && Date.parse(ended) < Date.parse(time);
  };
  const rowOf = ({ since, ...name }: AskedTask): TaskRow | undefined =>
    since !== undefined && hasEndedBefore(name, since) ? undefined : tasks.get(taskName(name));

  return {
    project: (rows, mark) =>
      answer(() => {
        for (const row of latest(rows)) accept(row);
        for (const row of latest(rows)) replace(tasks, taskName(row), row);
        if (mark) replace(marks, mark.stream, mark);
      }),
    projectDeadLetters: (rows) =>
      answer(() => {
        for (const row of rows) accept(row);
        for (const row of rows) {
          const name = `${taskName(row)} ${row.incarnation} ${row.revision}`;
          if (!letters.has(name)) letters.set(name, row);
        }
      }),
    mark: (stream) => answer(() => marks.get(stream)),
    task: (type, id) => answer(() => tasks.get(taskName({ type, id }))),
    deadLetters: (type, id) => answer(() => lettersOf(type, id)),
    countByStatus: (asked) => answer(() => counted(asked.flatMap((task) => rowOf(task) ?? []))),
    endedBefore: (asked, time) => answer(() => asked.filter((name) => hasEndedBefore(name, time))),
    migrate: () => answer(() => undefined),
    ready: () => Promise.resolve(available),
    close: async () => {
      available = false;
    },
    setAvailable: (is) => {
      available = is;
    },
  };
};

const accept = (row: object): void => {
  const reason = refusal(row);
  if (reason) throw new RefusedError(reason);
};

const replace = <Row extends Mark | TaskRow>(rows: Map<string, Row>, name: string, row: Row): void => {
  const stored = rows.get(name);
  if (!stored || isLater(row, stored)) rows.set(name, row);
};

const counted = (rows: readonly TaskRow[]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const { status } of rows) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};
