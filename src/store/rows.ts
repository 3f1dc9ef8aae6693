/** Which of several rows counts, as both stores have it. */
import type { TaskRow } from './store.ts';

type Revised = Pick<TaskRow, 'incarnation' | 'revision'>;

/** Incarnations as the database compares them: byte by byte. */
export const isLater = (one: Revised, other: Revised): boolean =>
  one.incarnation === other.incarnation
    ? one.revision > other.revision
    : Buffer.compare(Buffer.from(one.incarnation), Buffer.from(other.incarnation)) > 0;

/** One row a task, the latest, in the order in which every writer locks them: so that no two wait for each other. */
export const latest = (rows: readonly TaskRow[]): readonly TaskRow[] => {
  const byTask = new Map<string, TaskRow>();
  for (const row of rows) {
    const name = taskName(row);
    const other = byTask.get(name);
    if (!other || isLater(row, other)) byTask.set(name, row);
  }
  return [...byTask].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
};

/** No type holds a space, so no two tasks share a name. */
export const taskName = ({ type, id }: Pick<TaskRow, 'type' | 'id'>): string => `${type} ${id}`;
