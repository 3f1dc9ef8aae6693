import { readFile } from 'node:fs/promises';

/** A process of this machine, as Linux tells of it. */
export interface ProcessStat {
  /** The first 15 characters of its name. */
  readonly name: string;
  /** When it began, in a form that only compares: with the id it tells a process from all others. */
  readonly began: string;
}

/**
 * Undefined if there is no such process, where it has ended and only waits for somebody to ask how, and where there is no
 * /proc.
 */
export const processStat = async (pid: number | string): Promise<ProcessStat | undefined> => {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name is in brackets, and may hold spaces and brackets of its own.
  const end = text.lastIndexOf(')');
  const [state = 'X', ...fields] = text.slice(end + 2).split(' ');
  if (end < 0 || 'ZX'.includes(state)) return undefined;
  return { name: text.slice(text.indexOf('(') + 1, end), began: fields[18] ?? '' };
};
