import { history } from './0001-history.ts';
import { values } from './0002-values.ts';

export interface Migration {
  /** Counts up by 1. */
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/** In order. One that was released is never changed: what comes later is another one. */
export const migrations: readonly Migration[] = [
  { version: 1, name: 'history', sql: history },
  { version: 2, name: 'values', sql: values },
];
