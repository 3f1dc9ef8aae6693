import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, createReadStream, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLog, silentLog } from '../../src/kernel/log.ts';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'troupe-log-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = async (use: (log: ReturnType<typeof openLog>['log']) => void): Promise<readonly unknown[]> => {
  const destination = join(folder, `${expect.getState().currentTestName?.replaceAll(/\W/g, '-')}.log`);
  const { log, flush } = openLog({ level: 'info', fields: { node: 'n1' }, destination, dropped: () => {} });
  use(log);
  await flush();
  return readFileSync(destination, 'utf8')
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
};

describe('a log', () => {
  test('writes one JSON object a line, with the level by its name', async () => {
    const lines = await write((log) => {
      log.debug('not shown');
      log.info({ task: 'a.1', attempt: 2 }, 'task completed');
      log.warn('only text');
    });
    expect(lines).toMatchObject([
      { level: 'info', node: 'n1', task: 'a.1', attempt: 2, msg: 'task completed' },
      { level: 'warn', node: 'n1', msg: 'only text' },
    ]);
  });

  test('gives its fields to its children', async () => {
    const [line] = await write((log) => log.child({ pool: 'default' }).child({ worker: 3 }).error('x'));
    expect(line).toMatchObject({ node: 'n1', pool: 'default', worker: 3 });
  });

  test('shows an error with its type, code and cause', async () => {
    const error = Object.assign(new TypeError('no'), { code: 'x', cause: new Error('root') });
    const [bare, named] = await write((log) => {
      log.error(error);
      log.error({ err: error }, 'failed');
    });
    expect(bare).toMatchObject({ err: { type: 'TypeError', code: 'x', message: 'no', cause: { message: 'root' } } });
    expect(named).toMatchObject({ msg: 'failed', err: { type: 'TypeError' } });
  });

  test('writes no secret, be it in a field, in a text, in an error or in a child', async () => {
    const canary = 'c4n4ryc4n4ryc4n4ry';
    const lines = await write((log) => {
      log.info({ password: canary, url: `nats://u:${canary}@h` }, `Bearer ${canary}`);
      log.error(new Error(`sk-${canary}`, { cause: new Error(`token=${canary}`) }));
      log.child({ apiKey: canary }).info('x');
    });
    expect(lines).toHaveLength(3);
    expect(JSON.stringify(lines)).not.toContain(canary);
  });

  test('keeps a forged line inside its own', async () => {
    const lines = await write((log) => log.info('x\n{"level":"error","msg":"forged"}'));
    expect(lines).toHaveLength(1);
  });

  test('drops and counts what its sink does not take, and waits for nobody', async () => {
    const path = join(folder, 'full.fifo');
    execFileSync('mkfifo', [path]);
    // Open at both ends, so that it takes 64 KiB and then nothing more until somebody reads.
    const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    let dropped = 0;
    const { log, flush } = openLog({
      level: 'info',
      destination: pipe,
      bufferBytes: 16_384,
      dropped: () => (dropped += 1),
    });
    for (let n = 0; n < 5_000; n += 1) log.info({ n, filling: 'x'.repeat(100) }, 'line');
    expect(dropped).toBeGreaterThan(4_000);

    const reader = createReadStream(path, 'utf8');
    let written = '';
    reader.on('data', (chunk) => (written += String(chunk)));
    await flush();
    closeSync(pipe);
    await once(reader, 'end');
    expect(written.trim().split('\n').length + dropped).toBe(5_000);
  });

  test('outlives its sink, and counts what nobody will read', async () => {
    const path = join(folder, 'gone.fifo');
    execFileSync('mkfifo', [path]);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(path, constants.O_WRONLY);
    closeSync(reader);
    let dropped = 0;
    const { log, flush } = openLog({ level: 'info', destination: writer, dropped: () => (dropped += 1) });
    log.info('into the void');
    await flush();
    log.info('and again');
    await flush();
    expect(dropped).toBe(1);
    closeSync(writer);
  });
});

test('a silent log takes everything', () => {
  silentLog.child({ a: 1 }).error(new Error('x'), 'message');
  expect(silentLog.child({})).toBe(silentLog);
});
