/**
 * One `npm start` a folder. The file names the process that has it and when that began: a process id alone may belong
 * to another by the time somebody reads it.
 */
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ConflictError } from '../../kernel/errors.ts';
import { processStat } from '../proc.ts';

const holder = z.object({ pid: z.number().int().positive(), began: z.string() });

/** Undefined if there is no such process. */
const beginning = async (pid: number): Promise<string | undefined> => {
  if (process.platform === 'linux') return (await processStat(pid))?.began;
  try {
    process.kill(pid, 0);
    return 'unknown';
  } catch {
    return undefined;
  }
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** The process that holds the lock by the word of its file, if it lives. */
const living = async (text: string): Promise<number | undefined> => {
  const { data } = holder.safeParse(parsed(text));
  return data && (await beginning(data.pid)) === data.began ? data.pid : undefined;
};

const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');

/** Like `wx`, but nobody ever reads half of it. */
const created = async (file: string, from: string): Promise<boolean> => {
  try {
    await link(from, file);
    return true;
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause;
    return false;
  }
};

/** Takes the file away if it still says `text`: another one may have been as quick as we are. */
const remove = async (file: string, text: string): Promise<void> => {
  const taken = `${file}.${process.pid}.old`;
  try {
    await rename(file, taken);
  } catch {
    return; // It is gone already.
  }
  if ((await read(taken)) !== text) await created(file, taken);
  await rm(taken);
};

export interface Lock {
  release(): Promise<void>;
}

/** Throws ConflictError while another process has it. One that a dead process left is taken over. */
export const lock = async (dir: string): Promise<Lock> => {
  const file = join(dir, 'start.lock');
  const mine = `${file}.${process.pid}`;
  await mkdir(dir, { recursive: true });
  await writeFile(mine, JSON.stringify({ pid: process.pid, began: await beginning(process.pid) }));
  try {
    while (!(await created(file, mine))) {
      const text = await read(file);
      const pid = await living(text);
      if (pid !== undefined)
        throw new ConflictError(
          `it is running here already, as process ${pid}; stop that one first (Ctrl-C, or kill ${pid})`,
        );
      await remove(file, text);
    }
  } finally {
    await rm(mine, { force: true });
  }
  return { release: () => rm(file, { force: true }) };
};
