/**
 * The tables as queries see them; `migrations/` makes them. Columns are named after the fields of the rows in `store.ts`,
 * in snake case, so that rows go in and out by name.
 */
import { bigint, customType, doublePrecision, integer, pgTable, primaryKey, text, timestamp } from './drizzle.ts';

/** JSON as text on our side: it is passed on, never looked into. Select it with `asText`: pg would parse it. */
const jsonText = customType<{ data: string; driverData: string }>({ dataType: () => 'jsonb' });
/** The same, kept by the letter: what may be run again. It has no equality but that of its text. */
const valueText = customType<{ data: string; driverData: string }>({ dataType: () => 'json' });
const time = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

const revised = () => ({
  incarnation: text('incarnation').notNull(),
  revision: bigint('revision', { mode: 'number' }).notNull(),
});

export const tasks = pgTable(
  'tasks',
  {
    type: text('type').notNull(),
    id: text('id').notNull(),
    ...revised(),
    pool: text('pool').notNull(),
    lane: text('lane').notNull(),
    key: text('key'),
    tenant: text('tenant'),
    group: text('group'),
    title: text('title'),
    status: text('status').notNull(),
    reason: text('reason'),
    attempt: integer('attempt').notNull(),
    failures: integer('failures').notNull(),
    worker: text('worker'),
    inputHash: text('input_hash'),
    input: valueText('input'),
    result: valueText('result'),
    error: jsonText('error'),
    waiting: jsonText('waiting'),
    usage: jsonText('usage'),
    parent: text('parent'),
    redriveOf: text('redrive_of'),
    deadline: time('deadline'),
    createdAt: time('created_at').notNull(),
    startedAt: time('started_at'),
    finishedAt: time('finished_at'),
  },
  (table) => [primaryKey({ columns: [table.type, table.id] })],
);

export const steps = pgTable(
  'steps',
  {
    type: text('type').notNull(),
    id: text('id').notNull(),
    name: text('name').notNull(),
    key: text('key').notNull(),
    ...revised(),
    position: integer('position').notNull(),
    result: valueText('result'),
    at: time('at').notNull(),
    ms: doublePrecision('ms').notNull(),
  },
  (table) => [primaryKey({ columns: [table.type, table.id, table.name, table.key] })],
);

export const deadLetters = pgTable(
  'dead_letters',
  {
    type: text('type').notNull(),
    id: text('id').notNull(),
    ...revised(),
    reason: text('reason').notNull(),
    pool: text('pool').notNull(),
    error: jsonText('error'),
    body: text('body').notNull(),
    at: time('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.type, table.id, table.incarnation, table.revision] })],
);

export const marks = pgTable('projection_marks', {
  stream: text('stream').primaryKey(),
  source: text('source').notNull(),
  ...revised(),
  digest: text('digest').notNull(),
});
