import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/setup/longest-first.ts';

/** What starts whole companies of processes, and looks at how they do in time: two at a time, when the rest is done. */
const companies = ['dev/start', 'dev/start-takeover', 'prove/journal', 'prove/unlimited'].map(
  (name) => `test/${name}.test.ts`,
);
/** What looks at how much of a budget is used, and so has the machine to itself, but for what gives way. */
const measured = ['test/prove/limiter.test.ts'];
/** Minutes of virtual time, which take as long as the processor does: each has a process of its own, which gives way. */
const simulations = ['simulation', 'planted', 'planted-modules', 'deposed'].map(
  (name) => `test/limiter/${name}.test.ts`,
);
/** What replaces timers or the environment. */
const alone = ['test/kernel/clock.test.ts', 'test/examples/app.test.ts'];
const all = ['test/**/*.test.ts'];

/** One more than there are cores, as many files wait for servers. Vitest itself would take one less. */
const maxWorkers = availableParallelism() + 1;
const first = { maxWorkers, sequence: { groupOrder: 0 } };
const last = { maxWorkers, sequence: { groupOrder: 2 } };

export default defineConfig({
  resolve: { alias: [{ find: /^troupe$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) }] },
  test: {
    globalSetup: 'test/setup/global.ts',
    setupFiles: 'test/setup/each-file.ts',
    testTimeout: 20_000,
    hookTimeout: 60_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          ...first,
          name: 'parts',
          include: all,
          exclude: [...companies, ...measured, ...simulations, ...alone],
          // A small file's time is that of a process and of its imports: they share both.
          isolate: false,
        },
      },
      { extends: true, test: { ...first, name: 'alone', include: alone } },
      { extends: true, test: { name: 'companies', include: companies, maxWorkers: 3, sequence: { groupOrder: 1 } } },
      { extends: true, test: { ...last, name: 'measured', include: measured } },
      {
        extends: true,
        test: {
          ...last,
          name: 'simulations',
          include: simulations,
          setupFiles: ['test/setup/give-way.ts'],
          testTimeout: 120_000,
        },
      },
    ],
  },
});
