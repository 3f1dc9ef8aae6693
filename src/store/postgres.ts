/** The history in Postgres. */
import type { PgColumn } from 'drizzle-orm/pg-core';
import type pg from 'pg';
import type { Log } from '../kernel/log.ts';
import { and, asc, drizzle, eq, getTableColumns, sql } from './drizzle.ts';
import { migrate } from './migrate.ts';
import { toDeadLetterRow, toTaskRow } from './postgres-rows.ts';
import { transactions } from './postgres-transactions.ts';
import { latest, taskName } from './rows.ts';
import { deadLetters, marks, steps, tasks } from './schema.ts';
import {
  countStatement,
  deadLettersStatement,
  endedStatement,
  forgottenStatement,
  markStatement,
  stepsStatement,
  tasksStatement,
} from './statements.ts';
import type { Store, TaskName, TaskRow } from './store.ts';
import type { Statement } from './upsert.ts';

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  readonly log: Log;
  /** Connections at most; 4. */
  readonly poolSize?: number;
}

/** Connects when it is first asked for something, and again by itself after each loss. */
export const postgresStore = ({ url, log, poolSize = 4 }: PostgresStoreOptions): Store => {
  const { read, write, close } = transactions({ url, log, poolSize });
  return {
    project: (rows, mark) =>
      write(async (client) => {
        if (rows.length > 0) await writeTasks(client, latest(rows));
        // Last: every writer of the stream waits for this row, so it is held for as short a time as may be.
        if (mark) await execute(client, markStatement(mark));
      }),
    projectDeadLetters: async (rows) => {
      if (rows.length > 0) await write(async (client) => void (await execute(client, deadLettersStatement(rows))));
    },
    mark: (stream) =>
      read(async (client) => (await drizzle(client).select().from(marks).where(eq(marks.stream, stream)))[0]),
    task: (type, id) => read((client) => readTask(client, type, id)),
    deadLetters: (type, id) => read((client) => readDeadLetters(client, type, id)),
    countByStatus: (asked) => read((client) => countByStatus(client, asked)),
    endedBefore: (asked, time) =>
      read(async (client) => (await execute<TaskName>(client, endedStatement(asked, time))).rows),
    migrate: () => migrate(url, log),
    ready: () =>
      read((client) => client.query('select 1')).then(
        () => true,
        () => false,
      ),
    close,
  };
};

const execute = <Row extends pg.QueryResultRow>(client: pg.PoolClient, { text, values }: Statement) =>
  client.query<Row>(text, [...values]);

interface Written {
  readonly type: string;
  readonly id: string;
  readonly fresh: boolean;
}

const writeTasks = async (client: pg.PoolClient, rows: readonly TaskRow[]): Promise<void> => {
  const written = await execute<Written>(client, tasksStatement(rows));
  const won = new Map(written.rows.map((row) => [taskName(row), row]));
  const winners = rows.filter((row) => won.has(taskName(row)));
  const replaced = winners.filter((row) => won.get(taskName(row))?.fresh === false);
  if (replaced.length > 0) await execute(client, forgottenStatement(replaced));
  const journals = stepsStatement(winners);
  if (journals) await execute(client, journals);
};

const asText = (column: PgColumn) => sql<string | null>`${column}::text`;

const readTask = async (client: pg.PoolClient, type: string, id: string): Promise<TaskRow | undefined> => {
  const { input, result, error, waiting, usage, ...plain } = getTableColumns(tasks);
  const json = {
    input: asText(input),
    result: asText(result),
    error: asText(error),
    waiting: asText(waiting),
    usage: asText(usage),
  };
  const db = drizzle(client);
  const [row] = await db
    .select({ ...plain, ...json })
    .from(tasks)
    .where(and(eq(tasks.type, type), eq(tasks.id, id)));
  if (!row) return undefined;
  const journal = await db
    .select({ ...getTableColumns(steps), result: asText(steps.result) })
    .from(steps)
    .where(and(eq(steps.type, type), eq(steps.id, id)))
    .orderBy(asc(steps.position));
  return toTaskRow(row, journal);
};

const readDeadLetters = async (client: pg.PoolClient, type: string, id: string) => {
  const rows = await drizzle(client)
    .select({ ...getTableColumns(deadLetters), error: asText(deadLetters.error) })
    .from(deadLetters)
    .where(and(eq(deadLetters.type, type), eq(deadLetters.id, id)))
    .orderBy(asc(deadLetters.incarnation), asc(deadLetters.revision));
  return rows.map(toDeadLetterRow);
};

interface StatusCount {
  readonly status: string;
  readonly tasks: number;
}

const countByStatus = async (
  client: pg.PoolClient,
  asked: Parameters<Store['countByStatus']>[0],
): Promise<Readonly<Record<string, number>>> => {
  const { rows } = await execute<StatusCount>(client, countStatement(asked));
  return Object.fromEntries(rows.map(({ status, tasks: many }) => [status, many]));
};
