import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { z } from 'zod';

const names = z.record(z.string(), z.string()).default({});
const lockfile = z.object({
  packages: z.record(
    z.string(),
    z.object({ resolved: z.string().optional(), integrity: z.string().optional(), optionalDependencies: names }),
  ),
});
const { packages } = lockfile.parse(JSON.parse(await readFile('package-lock.json', 'utf8')));

/** Where npm would find `name` for the package at `path`: in its own folder, or in one further up. */
const locked = (path: string, name: string): boolean => {
  if (packages[`${path === '' ? '' : `${path}/`}node_modules/${name}`] !== undefined) return true;
  if (path === '') return false;
  return locked(path.slice(0, path.lastIndexOf('node_modules/')).replace(/\/$/, ''), name);
};

test('the lockfile names the packages of every platform, or npm ci would fail on it', () => {
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !locked(path, name))
      .map((name) => `${name} for ${path}`),
  );
  expect(missing).toEqual([]);
});

test('the lockfile has a checksum for every package, and the address of none', () => {
  const installed = Object.entries(packages).filter(([path]) => path !== '');
  expect(installed.length).toBeGreaterThan(100);
  expect(installed.filter(([, { integrity }]) => integrity === undefined)).toEqual([]);
  expect(installed.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
});
