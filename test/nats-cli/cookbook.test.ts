/**
 * Every recipe of docs/nats-cli.md against a node, in the document's order: each goes on where those before it left off,
 * and answers what the document says, whatever comes between.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missing, type Recipe, recipes } from './cookbook.ts';
import { isLive, listen, speak } from './speak.ts';
import { startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
  // What the document finds there.
  const begun = world.sub('tokens.render.s1');
  await world.req('submit.render', '{"scene":"harbour","seconds":300}', { 'Troupe-Id': 's1' });
  await begun.count(1);
  await world.req('submit.render', '{"scene":"harbour","seconds":5}', { 'Troupe-Id': 's2' });
  await world.req('submit.render', '{"scene":"harbour","seconds":5}', { 'Troupe-Id': 's3' });
  await world.req('submit.charge', '{"card":"4711","cents":100}', { 'Troupe-Id': 'c1' });
  await world.req('submit.charge', '{"card":"4711","cents":200}', { 'Troupe-Id': 'c2' });
  await world.pub('tasks.charge', '{"card":4711}', { 'Troupe-Id': 'c3' });
});
afterAll(() => world.stop());

/** What happens while somebody listens: h3 stumbles once. */
const follow = async ({ line, ...recipe }: Recipe): Promise<void> => {
  const output = await listen(world, line);
  const id = `h3-${recipes.findIndex((each) => each.line === line)}`;
  await world.req('submit.lookup', '{"host":"c"}', { 'Troupe-Id': id });
  const asWritten = (): string => output().replaceAll(id, 'h3');
  await expect.poll(() => missing({ line, ...recipe }, asWritten()), { interval: 10 }).toEqual([]);
};

/** To ask again changes no answer from wrong to right but by what was under way. */
const asks = (line: string): boolean => !/^nats (pub|stream purge) /.test(line);

const cook = async (recipe: Recipe): Promise<void> => {
  const { line } = recipe;
  if (isLive(line)) return follow(recipe);
  if (!asks(line)) return expect(missing(recipe, await speak(world, line))).toEqual([]);
  await expect.poll(async () => missing(recipe, await speak(world, line)), { interval: 10 }).toEqual([]);
};

describe.each([...new Set(recipes.map(({ section }) => section))])('%s', (name) => {
  const own = recipes.filter(({ section }) => section === name);
  test.each(own.map((recipe) => [recipe.line, recipe] as const))('%s', (_line, recipe) => cook(recipe));
});

test('what was submitted last in the high lane runs before those that wait', async () => {
  await expect
    .poll(() => world.subjects('TOKENS', 'tokens.render.*'))
    .toEqual(['tokens.render.s1', 'tokens.render.s4']);
});

test('every answer’s next commands are among those that the document has', async () => {
  const known = recipes.map(({ line }) => line.split(/[ .]/).slice(0, 3).join(' '));
  for (const key of ['summarise.doc-1', 'summarise.doc-3', 'render.s2', 'charge.c1']) {
    const { next } = await world.req(`get.${key}`);
    const commands = next.map((line) => line.replace('--timeout 35s ', '').split(/[ .]/).slice(0, 3).join(' '));
    expect(known).toEqual(expect.arrayContaining(commands));
  }
});
