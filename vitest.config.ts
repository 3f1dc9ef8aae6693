import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** What starts whole companies of processes, and looks at how they do in time: one at a time, when the rest is done. */
const companies = ['test/prove/limiter.test.ts', 'test/prove/journal.test.ts', 'test/dev/start.test.ts'];
const all = ['test/**/*.test.ts'];

export default defineConfig({
  resolve: { alias: [{ find: /^troupe$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) }] },
  test: {
    globalSetup: 'test/setup/global.ts',
    testTimeout: 20_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'parts', include: all, exclude: companies, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: { name: 'companies', include: companies, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
