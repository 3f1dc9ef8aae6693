/** Where the suite's servers keep their files: in memory, where there is room, as half of their time goes to the disk. */
import { statfsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const memory = '/dev/shm';
/** A run uses less than a tenth of it. */
const roomBytes = 4 * 1024 ** 3;

const hasRoom = (): boolean => {
  try {
    const { bavail, bsize } = statfsSync(memory);
    return bavail * bsize >= roomBytes;
  } catch {
    return false;
  }
};

/** A new folder, whose name begins with `prefix`. Whoever makes it takes it away. */
export const scratch = (prefix: string): Promise<string> => mkdtemp(join(hasRoom() ? memory : tmpdir(), prefix));
