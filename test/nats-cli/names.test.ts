/** What docs/nats-cli.md names is what there is: streams, consumers, buckets, subjects, headers. */
import { describe, expect, test } from 'vitest';
import { projectorConsumers } from '../../src/actors/projector.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { buckets, streams, subjects } from '../../src/bus/subjects.ts';
import { header } from '../../src/task/headers.ts';
import { topology } from '../../src/task/topology.ts';
import app from './app.ts';
import { code, recipes, words } from './cookbook.ts';

const resolved = resolveApp(app);
const plan = topology({
  region: 'main',
  pools: [...resolved.pools.keys()].map((name) => ({ name, tasksMax: 1_000 })),
  ackWaitMs: 30_000,
  replicas: 1,
  workBytes: 1_000_000,
});
const consumers = [...plan.consumers, ...projectorConsumers(30_000)].map(({ stream, name }) => `${stream} ${name}`);

/** The first group of the pattern, wherever code has it. */
const named = (pattern: RegExp): readonly string[] =>
  [...new Set(code.flatMap((span) => [...span.matchAll(pattern)].map(([, name = '']) => name)))].toSorted();

test('streams', () => {
  const known = plan.streams.map(({ name }) => name);
  const found = named(/(?:\bstream \w+ |\bconsumer \w+ |--stream |Stream: |"stream":"|Item: )([A-Z]\w*)/g);
  expect(found).toEqual(expect.arrayContaining(['DLQ', 'INBOX', 'SCHED', 'TOKENS', 'WORK_default', 'WORK_studio']));
  expect(known).toEqual(expect.arrayContaining([...found]));
});

test('consumers', () => {
  const found = [
    ...named(/\bconsumer info (\S+ \S+)/g),
    ...named(/^│ (\S+) +│ Pull/g).map((name) => `WORK_studio ${name}`),
  ];
  expect(found).toHaveLength(4);
  expect(consumers).toEqual(expect.arrayContaining(found));
});

test('buckets', () => {
  const found = named(/\bkv (?:get|ls|watch|put) ([a-z]+)/g);
  expect(found).toEqual(['groups', 'tasks']);
  expect(Object.values(buckets)).toEqual(expect.arrayContaining([...found]));
  expect(plan.streams.map(({ name }) => name)).toEqual(expect.arrayContaining(found.map(streams.bucket)));
});

test('headers', () => {
  const found = named(/\b(Troupe-[A-Z][\w-]*|Nats-Msg-Id)/g);
  expect(found).toEqual(expect.arrayContaining(['Nats-Msg-Id', 'Troupe-Id', 'Troupe-Lane', 'Troupe-Delay']));
  expect(Object.values(header)).toEqual(expect.arrayContaining([...found]));
});

/** Whether a message could have both subjects; either may have wildcards. */
const meet = ([a, ...as]: readonly string[], [b, ...bs]: readonly string[]): boolean => {
  if (a === undefined || b === undefined) return a === b;
  if (a === '>' || b === '>') return true;
  return (a === b || a === '*' || b === '*') && meet(as, bs);
};
const meets = (subject: string, filter: string): boolean => meet(subject.split('.'), filter.split('.'));

const example: Readonly<Record<string, string>> = { region: 'main', pool: 'studio', lane: 'high', group: 'hosts' };
const filled = (subject: string): string =>
  subject.replaceAll(/<(\w+)>/g, (_all, name: string) => example[name] ?? name);

describe('subjects', () => {
  test('that a stream keeps', () => {
    const kept = plan.streams.flatMap((stream) => stream.subjects);
    const found = named(/(?<![\w.])((?:tasks|work|sched|due|dlq|tokens)\.[^\s'"`]+)/g).map(filled);
    expect(found.length).toBeGreaterThan(20);
    expect(found.filter((subject) => !kept.some((filter) => meets(subject, filter)))).toEqual([]);
  });

  test('that lead to one task, lane or letter', () => {
    const made = [
      subjects.work('main', { pool: 'studio', lane: 'normal', partition: '0' }, 'render.s1'),
      subjects.sched('summarise.doc-2', 0),
      subjects.cron('nightly'),
      subjects.dlq('default', 'exhausted', 'charge.c1'),
      subjects.dlqOfTask('charge.c1'),
      subjects.task('summarise'),
      subjects.tokens('summarise.doc-1'),
    ];
    const found = code.flatMap((span) => span.split(/[\s'"]/));
    expect(found).toEqual(expect.arrayContaining(made));
    expect(
      found.filter((word) => word.startsWith('results.')).every((word) => meets(word, subjects.results('>'))),
    ).toBe(true);
  });

  test('that are of tasks which the app has, and of its schedules', () => {
    const types = recipes.flatMap(({ line }) => words(line)).flatMap((word) => /^tasks\.(\w+)$/.exec(word)?.[1] ?? []);
    for (const type of types) expect([...resolved.tasks.keys()]).toContain(type);
    expect(named(/sched\.cron\.(\w+)/g)).toEqual(['nightly']);
  });
});
