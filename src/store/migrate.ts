/**
 * Brings the schema up to date, in one transaction that holds an advisory lock: of several nodes that start at once one
 * migrates, the others wait and find it done. The lock is the transaction's, so it works behind PgBouncer too.
 */
import pg from 'pg';
import type { Log } from '../kernel/log.ts';
import { migrations } from './migrations/migrations.ts';
import { connection, statementTimeoutMs } from './postgres-transactions.ts';
import { translated } from './postgres-errors.ts';

/** "trou" in ASCII: any number that nobody else locks in this database. */
const lockKey = 0x74726f75;
/** Includes waiting for another migrator. */
const timeoutMs = 120_000;
/** A server that is gone without a word does not end a statement itself. */
const answerTimeoutMs = timeoutMs + 1_000;

export const migrate = async (url: string, log: Log): Promise<void> => {
  const client = new pg.Client({ ...connection(url), query_timeout: answerTimeoutMs });
  client.on('error', () => undefined); // The statement under way fails with it.
  try {
    await client.connect();
    await client.query(`begin; set local statement_timeout = ${statementTimeoutMs}`);
    const missing = await pending(client);
    await client.query('commit');
    if (missing.length > 0) await migrateLocked(client, log);
  } catch (error) {
    throw translated(error);
  } finally {
    await client.end().catch(() => undefined); // It is gone already.
  }
};

/** Before the first migration there is no table to ask. Does not lock, and needs no right to create anything. */
const pending = async (client: pg.Client) => {
  const there = await client.query<{ there: boolean }>(`select to_regclass('troupe_migrations') is not null as there`);
  if (!there.rows[0]?.there) return migrations;
  const done = await client.query<{ version: number }>('select version from troupe_migrations');
  const versions = new Set(done.rows.map(({ version }) => version));
  return migrations.filter(({ version }) => !versions.has(version));
};

const migrateLocked = async (client: pg.Client, log: Log): Promise<void> => {
  await client.query(`begin; set local statement_timeout = ${timeoutMs}`);
  await client.query('select pg_advisory_xact_lock($1)', [lockKey]);
  await client.query(
    'create table if not exists troupe_migrations (version integer primary key, name text not null, at timestamptz not null default now())',
  );
  for (const { version, name, sql } of await pending(client)) {
    await client.query(sql);
    await client.query('insert into troupe_migrations (version, name) values ($1, $2)', [version, name]);
    log.info({ version, name }, 'migrated the database');
  }
  await client.query('commit');
};
