import { expect, test, vi } from 'vitest';
import { folder, npmStart } from './npm-start.ts';

vi.setConfig({ testTimeout: 120_000 });

const documents = 60;

test('a node is killed on the way, its tasks go on at the other one, and it is told when; a new start is a new batch', async () => {
  const dir = await folder();
  const first = npmStart(dir, documents);
  await first.says(/killed node-b \(process \d+\) with SIGKILL, in the middle of \d+ tasks$/);
  const [, , secondsLater] = await first.says(/node-a goes on with (\w+ \S+), ([\d.]+) s after the kill$/);
  expect(Number(secondsLater)).toBeLessThan(13);
  await first.says(/node-b is back, as process \d+$/);
  const [, takenOver] = await first.says(/taken over +(\d+) tasks? went on/);
  expect(Number(takenOver)).toBeGreaterThan(1);
  await first.says(/model calls +180 calls made, \d+ times replayed from the record$/);
  await first.says(/\d+ answered, 0 refused with 429: its limits were never exceeded$/);
  await first.says(/cost +\$0\.\d+, .*: SIMULATED, not paid$/);
  await first.says(/budget use +of 160 calls in any 10 s: /);
  await first.says(/waiting +\d+ calls? held back by the budget; .* \(longest\)$/);
  await first.says(/all equal$/);
  await first.says(/Ctrl-C/);
  const [, batch] = await first.says(/^Batch (\w+):/);
  first.kill('SIGTERM');
  expect(await first.exit).toBe(0);

  const next = npmStart(dir, 1);
  const [, other] = await next.says(/^Batch (\w+): 1 document to summarise, extract and inspect, 3 tasks$/);
  expect(other).not.toBe(batch);
  // Stopped in the middle, it says that this is not the end of it.
  next.kill('SIGINT');
  expect(await next.exit).toBe(0);
  expect(next.lines.join('\n')).toMatch(/the next npm start goes on with it|Ctrl-C stops it/);
});
