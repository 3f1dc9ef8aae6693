/**
 * One `npm start` a folder. The file names the process that has it and when that began: a process id alone may belong
 * to another by the time somebody reads it.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ConflictError } from '../../kernel/errors.ts';

const holder = z.object({ pid: z.number().int().positive(), began: z.string() });

/** When a process began, in a form that only compares; undefined if there is no such process. */
const beginning = async (pid: number): Promise<string | undefined> => {
  // The 22nd field; the second may hold spaces and brackets, so counting begins after it.
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat !== undefined) return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  try {
    process.kill(pid, 0);
    return process.platform === 'linux' ? undefined : 'unknown';
  } catch {
    return undefined;
  }
};

const holderOf = async (file: string): Promise<number | undefined> => {
  const text = await readFile(file, 'utf8').catch(() => '');
  const { data } = holder.safeParse(parsed(text));
  return data && (await beginning(data.pid)) === data.began ? data.pid : undefined;
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export interface Lock {
  release(): Promise<void>;
}

/** Throws ConflictError while another process has it. One that a dead process left is taken over. */
export const lock = async (dir: string): Promise<Lock> => {
  const file = join(dir, 'start.lock');
  const mine = JSON.stringify({ pid: process.pid, began: await beginning(process.pid) });
  await mkdir(dir, { recursive: true });
  for (;;) {
    try {
      await writeFile(file, mine, { flag: 'wx' });
      return { release: () => rm(file, { force: true }) };
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause;
      const pid = await holderOf(file);
      if (pid !== undefined)
        throw new ConflictError(`npm start is running here already, as process ${pid}: stop that one first`, { cause });
      await rm(file, { force: true });
    }
  }
};
