/** The model layer under one attempt after another of a task, with the limiter in the test's hands. */
import { onTestFinished } from 'vitest';
import { type LayerOptions, modelLayer } from '../../src/llm/layer.ts';
import type { ModelEntry, ProviderModel } from '../../src/llm/models.ts';
import { journal } from '../../src/task/journal.ts';
import { lives } from '../../src/task/lives.ts';
import { decodeTask } from '../../src/task/message.ts';
import { decodeRecord } from '../../src/task/record.ts';
import { begun, firstRecord } from '../../src/task/transitions.ts';
import { recordWriter } from '../../src/task/writer.ts';
import { open } from '../task/world.ts';
import type { notedPermits } from './permits.ts';

export const entryOf = (model: ProviderModel, ...budgets: readonly string[]): ModelEntry => ({
  model,
  budgets: budgets.length > 0 ? budgets : ['b'],
  price: { input: 1, output: 2, cachedInput: 1 },
  cacheMs: undefined,
});

export const layerWorld = async (
  entries: readonly ModelEntry[],
  { permits }: Pick<ReturnType<typeof notedPermits>, 'permits'>,
  more: Partial<LayerOptions> & { readonly deadlineMs?: number } = {},
) => {
  const world = await open();
  const { ports } = world;
  const layer = await modelLayer({ models: new Map([['fast', entries]]), permits, ports, ...more });
  await world.submit({
    id: 'a',
    envelope: { tenant: 'acme', ...(more.deadlineMs && { deadlineMs: more.deadlineMs }) },
  });
  const delivery = await world.take();
  const task = decodeTask(delivery);
  if (!task) throw new Error('no task');
  const life = new AbortController();
  onTestFinished(() => life.abort());
  const events: object[] = [];
  let number = 0;
  /** A new attempt, with what the ones before have recorded. */
  const attempt = async () => {
    number += 1;
    const entry = await ports.records.get('t.a');
    const record = (entry && decodeRecord(entry.value)) ?? begun(firstRecord(task), delivery, 'w', 0);
    const writer = recordWriter({ ports, recordKey: 't.a', record, revision: entry?.revision ?? 0, fenced: () => {} });
    const made = layer.of({
      task,
      number,
      journal: journal(ports, Promise.resolve(writer), lives().begin('t.a')),
      signal: life.signal,
      emit: (event) => events.push(event) > 0,
    });
    const model = (options = {}) => {
      const found = made.model('fast', options);
      if (!found) throw new Error('no such model');
      return found;
    };
    return { ...made, model };
  };
  return { ...world, attempt, life, events, recordOf: () => world.record('a') };
};
