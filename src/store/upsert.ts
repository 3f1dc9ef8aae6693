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

interface Column {
  /** Its name in the schema. */
  readonly field: string;
  readonly name: string;
  readonly type: string;
}

interface Shape {
  readonly table: string;
  readonly columns: readonly Column[];
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
    columns: columns.map(([field, column]) => ({ field, name: quoted(column.name), type: column.getSQLType() })),
    keys: keys.map(quoted).join(', '),
    sets: others.map((name) => `${quoted(name)} = excluded.${quoted(name)}`).join(', '),
  };
};

/**
 * Makes the statement that inserts one row or more. `onConflict` says what becomes of one whose key is there; it is given
 * the assignments that would replace all else. Columns that no row has a value for are not sent: they become null, so a
 * table with other defaults cannot be written by this.
 */
export const inserter = <T extends PgTable>(table: T, onConflict: (sets: string) => string, returning = '') => {
  const { table: into, columns, keys, sets } = shapeOf(table);
  const ending = `on conflict (${keys}) do ${onConflict(sets)} ${returning}`;
  return (rows: readonly RowOf<T>[]): Statement => {
    // The fields are the keys of RowOf<T>, which a generic table hides from the compiler.
    const valueOf = (row: RowOf<T>, field: string) => (row as Readonly<Record<string, unknown>>)[field] ?? null;
    const filled = columns.filter(({ field }) => rows.some((row) => valueOf(row, field) !== null));
    const names = filled.map(({ name }) => name).join(', ');
    const arrays = filled.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ');
    return {
      text: `insert into ${into} (${names}) select * from unnest(${arrays}) ${ending}`,
      values: filled.map(({ field }) => rows.map((row) => valueOf(row, field))),
    };
  };
};
