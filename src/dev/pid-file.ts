import { readFile } from 'node:fs/promises';
import { systemClock } from '../kernel/clock.ts';
import { ConflictError } from '../kernel/errors.ts';
import { processStat } from './proc.ts';

/** Longer than a server takes to end after its guard has told it to. */
const patienceMs = 2000;
const pauseMs = 50;

const firstLine = async (file: string): Promise<string | undefined> => {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text?.split('\n', 1)[0];
};

/**
 * The process that a pid file names, if it runs and is called `name`: after a crash the number may belong to
 * somebody else by now. Where there is no /proc it is never found, and the server has to notice by itself.
 */
const running = async (pidFile: string, name: string): Promise<string | undefined> => {
  const pid = await firstLine(pidFile);
  return pid && (await processStat(pid))?.name === name.slice(0, 15) ? pid : undefined;
};

/**
 * Resolves when no process called `name` has `dir` by the word of `pidFile`; one that is just ending is waited for.
 * Throws ConflictError if it stays: two servers on one data directory destroy it.
 */
export const vacated = async (dir: string, pidFile: string, name: string): Promise<void> => {
  for (const start = systemClock.monotonic(); ; await systemClock.sleep(pauseMs)) {
    const pid = await running(pidFile, name);
    if (pid === undefined) return;
    if (systemClock.monotonic() - start < patienceMs) continue;
    throw new ConflictError(
      `${dir} is in use by ${name}, process ${pid}: stop it, or choose another directory (TROUPE_DEV_DIR with --dev, --dir with npm start)`,
    );
  }
};
