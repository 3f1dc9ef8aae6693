// The texts of examples/corpus, by name.
import { readFile } from 'node:fs/promises';
import { NonRetryableError } from 'troupe';
import { z } from 'zod';

/** Input of every task here. The pattern keeps names inside the folder. */
export const Document = z.object({ document: z.string().regex(/^[a-z0-9-]{1,100}$/) });

const corpus = new URL('corpus/', import.meta.url);

export const readDocument = async (name: string): Promise<{ title: string; text: string }> => {
  const text = await readFile(new URL(`${name}.txt`, corpus), 'utf8').catch((cause: unknown) => {
    throw new NonRetryableError(`no document "${name}"; examples/corpus has those there are`, { cause });
  });
  return { title: text.split('\n', 1)[0] ?? name, text };
};
