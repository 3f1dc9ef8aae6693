/** The batch: every document of the corpus through every task of the example app. */
import { readdir } from 'node:fs/promises';
import { taskKey } from '../../bus/subjects.ts';

export const taskTypes = ['summarise', 'extract', 'inspect'] as const;
export type TaskType = (typeof taskTypes)[number];

export interface Item {
  readonly type: TaskType;
  readonly id: string;
  readonly document: string;
  /** Of its record. */
  readonly key: string;
}

/** Names of the `.txt` files in `folder`, in order. */
export const documentsIn = async (folder: URL): Promise<readonly string[]> => {
  const files = await readdir(folder);
  return files.flatMap((file) => (file.endsWith('.txt') ? [file.slice(0, -'.txt'.length)] : [])).toSorted();
};

/** The same documents and batch, the same items: an id is its batch and its document. */
export const itemsOf = (batch: string, documents: readonly string[]): readonly Item[] =>
  taskTypes.flatMap((type) =>
    documents.map((document) => {
      const id = `${batch}-${document}`;
      return { type, id, document, key: taskKey(type, id) };
    }),
  );
