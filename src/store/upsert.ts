/**
 * Writes many rows with one statement: each column goes to the database as one array, and `unnest` makes rows of them
 * there. Made from the schema, so that a new column is written where it is declared.
 */
import type { Table } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import { getTableColumns, getTableConfig, getTableName } from './drizzle.ts';

export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** A value for each column of a table, by the name that the schema gives it. */
export type RowOf<T extends Table> = Readonly<Record<keyof T['_']['columns'], unknown>>;

const quoted = (name: string): string => `"${name}"`;

interface Shape {
  readonly table: string;
  /** The names in the schema, in the order of the columns. */
  readonly fields: readonly string[];
  readonly columns: string;
  readonly arrays: string;
  readonly keys: string;
  readonly sets: string;
}

const shapeOf = (table: PgTable): Shape => {
  const columns = Object.entries<PgColumn>(getTableColumns(table));
  const [composite] = getTableConfig(table).primaryKeys;
  const keys = (composite?.columns ?? columns.map(([, column]) => column).filter(({ primary }) => primary)).map(
    ({ name }) => name,
  );
  const others = columns.map(([, { name }]) => name).filter((name) => !keys.includes(name));
  return {
    table: quoted(getTableName(table)),
    fields: columns.map(([field]) => field),
    columns: columns.map(([, { name }]) => quoted(name)).join(', '),
    arrays: columns.map(([, column], index) => `$${index + 1}::${column.getSQLType()}[]`).join(', '),
    keys: keys.map(quoted).join(', '),
    sets: others.map((name) => `${quoted(name)} = excluded.${quoted(name)}`).join(', '),
  };
};

/**
 * Makes the statement that inserts rows. `onConflict` says what becomes of one whose key is there; it is given the
 * assignments that would replace all else.
 */
export const inserter = <T extends PgTable>(table: T, onConflict: (sets: string) => string, returning = '') => {
  const { table: name, fields, columns, arrays, keys, sets } = shapeOf(table);
  const text = `insert into ${name} (${columns}) select * from unnest(${arrays}) on conflict (${keys}) do ${onConflict(sets)} ${returning}`;
  return (rows: readonly RowOf<T>[]): Statement => ({
    text,
    // The fields are the keys of RowOf<T>, which a generic table hides from the compiler.
    values: fields.map((field) => rows.map((row) => (row as Readonly<Record<string, unknown>>)[field] ?? null)),
  });
};
