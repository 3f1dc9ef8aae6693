/**
 * drizzle-orm, as CommonJS: for each of its hundred ES modules Node would read its package.json of 180 KB anew, which
 * is half of the processor time that a node takes to start.
 */
import { createRequire } from 'node:module';
import type * as Drizzle from 'drizzle-orm';
import type * as NodePostgres from 'drizzle-orm/node-postgres';
import type * as PgCore from 'drizzle-orm/pg-core';

const load = createRequire(import.meta.url);

const orm: typeof Drizzle = load('drizzle-orm');
export const { and, asc, count, eq, getTableColumns, getTableName, sql } = orm;

const pgCore: typeof PgCore = load('drizzle-orm/pg-core');
export const { bigint, customType, doublePrecision, getTableConfig, integer, pgTable, primaryKey, text, timestamp } =
  pgCore;

const nodePostgres: typeof NodePostgres = load('drizzle-orm/node-postgres');
export const { drizzle } = nodePostgres;
