/**
 * Transactions on a pool. Nothing is set on a session, all on the transaction: behind PgBouncer the next transaction may
 * have another session. A connection that failed is thrown away, and the pool makes another one when one is needed.
 */
import pg from 'pg';
import { RefusedError, UnavailableError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { described, translated } from './postgres-errors.ts';

export interface TransactionsOptions {
  readonly url: string;
  readonly log: Log;
  /** Connections at most. */
  readonly poolSize: number;
}

/** No statement runs longer, and no connection is waited for longer. */
export const statementTimeoutMs = 5_000;
/** A server that is gone without a word does not end a statement itself. */
const answerTimeoutMs = statementTimeoutMs + 1_000;

export const connection = (url: string) => ({
  connectionString: url,
  application_name: 'troupe',
  connectionTimeoutMillis: statementTimeoutMs,
  keepAlive: true,
});

/** A process that is stopped in the middle must not hold its locks for long. */
const limits = `set local statement_timeout = ${statementTimeoutMs}; set local idle_in_transaction_session_timeout = ${2 * statementTimeoutMs}`;

export type Work<Result> = (client: pg.PoolClient) => Promise<Result>;

/** Both throw `RefusedError` or `UnavailableError`. */
export interface Transactions {
  readonly write: <Result>(work: Work<Result>) => Promise<Result>;
  /** All statements see the same rows. */
  readonly read: <Result>(work: Work<Result>) => Promise<Result>;
  /** Waits for what is under way. Idempotent. */
  readonly close: () => Promise<void>;
}

export const transactions = ({ url, log, poolSize }: TransactionsOptions): Transactions => {
  const pool = new pg.Pool({ ...connection(url), query_timeout: answerTimeoutMs, max: poolSize });
  // Whoever uses the connection sees its statement fail; unheard, either event would end the process.
  pool.on('error', (error) => log.warn({ err: error }, 'an idle connection to Postgres was lost'));
  pool.on('connect', (client) => client.on('error', () => undefined));
  let closed: Promise<void> | undefined;

  const run = async <Result>(begin: string, work: Work<Result>): Promise<Result> => {
    const client = await pool.connect().catch((cause: unknown) => {
      throw new UnavailableError(`Postgres: ${described(cause)}`, { cause });
    });
    try {
      await client.query(`${begin}; ${limits}`);
      const result = await work(client);
      await client.query('commit');
      client.release();
      return result;
    } catch (error) {
      const failure = translated(error);
      client.release(!(failure instanceof RefusedError && (await rolledBack(client))));
      throw failure;
    }
  };

  return {
    write: (work) => run('begin', work),
    read: (work) => run('begin isolation level repeatable read read only', work),
    close: () => (closed ??= pool.end()),
  };
};

const rolledBack = (client: pg.PoolClient): Promise<boolean> =>
  client.query('rollback').then(
    () => true,
    () => false,
  );
