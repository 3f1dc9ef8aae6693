/** What the system says of a process. */
import { readFile } from 'node:fs/promises';

/** User and system time so far, in ms; `undefined` where there is no /proc. In steps of 10 ms. */
export const cpuMs = async (pid: number): Promise<number | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name, in brackets, may hold spaces.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields && (Number(fields[11]) + Number(fields[12])) * 10;
};

/** Resident memory in MB; `undefined` where there is no /proc. */
export const rssMb = async (pid: number): Promise<number | undefined> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const [, kb] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? [];
  return kb === undefined ? undefined : Number(kb) / 1_024;
};
