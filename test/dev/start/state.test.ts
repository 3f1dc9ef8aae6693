import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lock } from '../../../src/dev/start/lock.ts';
import { freePortFrom } from '../../../src/dev/free-port.ts';
import { newBatch, readState, writeState } from '../../../src/dev/start/state.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'troupe-start-'));
});
afterEach(() => rm(dir, { recursive: true }));

const file = (): string => join(dir, 'deeper', 'state.json');

describe('what npm start remembers', () => {
  it('is nothing at first', async () => {
    expect(await readState(file())).toEqual({ state: undefined });
  });

  it('is what was written last', async () => {
    const state = newBatch(Date.UTC(2026, 0, 1), 261);
    await writeState(file(), state);
    await writeState(file(), { ...state, finished: true });
    expect(await readState(file())).toEqual({ state: { ...state, finished: true } });
  });

  it.each(['', '{', '[]', '{"v":2,"batch":"b1"}', '{"v":1,"batch":"../x","finished":false,"killed":false}'])(
    'is nothing where the file says %j, which is moved aside',
    async (text) => {
      await writeState(file(), newBatch(0, 1));
      await writeFile(file(), text);
      expect(await readState(file())).toEqual({ state: undefined, broken: `${file()}.broken` });
      expect(await readFile(`${file()}.broken`, 'utf8')).toBe(text);
    },
  );

  it('names younger batches after older ones, and each so that it can begin an id', () => {
    const [older, younger] = [newBatch(Date.UTC(2026, 0, 1), 1), newBatch(Date.UTC(2030, 0, 1), 1)];
    expect(older.batch < younger.batch).toBe(true);
    expect(older.batch).toMatch(/^b[a-z0-9]{6}$/);
  });
});

const lockFile = (): string => join(dir, 'start.lock');

/** Who has the lock once we have asked for it, where somebody left `text`. */
const holderAfter = async (text: string): Promise<unknown> => {
  await writeFile(lockFile(), text);
  await lock(dir);
  return JSON.parse(await readFile(lockFile(), 'utf8')).pid;
};

describe('the lock', () => {
  it('is held by one process at a time, and says by which', async () => {
    const first = await lock(dir);
    await expect(lock(dir)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await first.release();
    await (await lock(dir)).release();
  });

  it('is taken over from a process that is gone', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    const { pid } = child;
    await once(child, 'exit');
    expect(await holderAfter(JSON.stringify({ pid, began: '1' }))).toBe(process.pid);
  });

  it('is taken over from a process whose id another one has by now', async () => {
    const other = JSON.stringify({ pid: process.pid, began: 'earlier' });
    expect(await holderAfter(other)).toBe(process.pid);
    expect(await readFile(lockFile(), 'utf8')).not.toBe(other);
  });

  it('is taken over where the file says nothing', async () => {
    expect(await holderAfter('{')).toBe(process.pid);
  });
});

describe('a free port', () => {
  it('is not one that somebody has, nor one that is taken already', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const next = await freePortFrom(port);
    expect(next).toBeGreaterThan(port);
    expect(await freePortFrom(port, [next])).toBeGreaterThan(next);
    server.close();
  });
});
