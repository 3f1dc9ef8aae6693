/**
 * Lets the system itself tell the wrong time, where libfaketime is installed: what Node asks for the wall clock is then
 * put forward or back beneath it, in all processes at once. The monotonic clock is left alone, as a jump leaves it.
 */
import { existsSync, globSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** For programs with threads, as Node is. */
const places = ['/usr/lib/*/faketime/libfaketimeMT.so.1', '/usr/{lib64,local/lib}/faketime/libfaketimeMT.so.1'];

/** Its path: `$LIBFAKETIME`, or where it is usually installed; `undefined` where there is none. */
export const findFaketime = (): string | undefined => {
  const named = process.env['LIBFAKETIME'];
  if (named !== undefined && existsSync(named)) return named;
  return globSync(places)[0];
};

export interface Faketime {
  readonly env: Record<string, string>;
  jump(byMs: number): Promise<void>;
}

export const faketime = async (library: string, dir: string): Promise<Faketime> => {
  const file = join(dir, 'faketime');
  const jump = (byMs: number): Promise<void> => writeFile(file, `${byMs < 0 ? '-' : '+'}${Math.abs(byMs) / 1_000}`);
  await jump(0);
  return {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
    jump,
  };
};
