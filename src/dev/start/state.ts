/** What `npm start` has to know of the time before: which batch it was at. All else is in NATS and Postgres. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';

const state = z.object({
  v: z.literal(1),
  /** Stands before every task's id. */
  batch: z.string().regex(/^[a-z0-9]{1,8}$/),
  /** How many of the corpus, in the order of their names. */
  documents: z.int().positive(),
  finished: z.boolean(),
  /** One of its nodes has been killed: once is enough for a batch. */
  killed: z.boolean(),
});

export type State = Readonly<z.infer<typeof state>>;

/** Younger batches sort after older ones. */
export const newBatch = (now: number, documents: number): State => ({
  v: 1,
  batch: `b${Math.floor(now / 1_000).toString(36)}`,
  documents,
  finished: false,
  killed: false,
});

export interface Remembered {
  /** Undefined where nothing is remembered. */
  readonly state: State | undefined;
  /** Where a file that says nothing was moved to. */
  readonly broken?: string;
}

export const readState = async (file: string): Promise<Remembered> => {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
  });
  if (text === undefined) return { state: undefined };
  try {
    return { state: state.parse(JSON.parse(text)) };
  } catch {
    const broken = `${file}.broken`;
    await rename(file, broken);
    return { state: undefined, broken };
  }
};

/** Whoever reads it sees the old one or the new one. */
export const writeState = async (file: string, next: State): Promise<void> => {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, JSON.stringify(next));
  await rename(`${file}.new`, file);
};
