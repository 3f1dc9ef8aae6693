import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Where a run begins: one of these alone at its end would keep the other workers waiting. */
const long = [
  'dev/start',
  'prove/journal',
  'prove/limiter',
  'limiter/simulation',
  'limiter/planted',
  'contract/nats',
  'node',
  'cluster/takeover',
  'actors/projector-servers',
  'store/postgres',
  'bus/nats/restart',
  'cluster/outages',
  'web/http',
  'dev/postgres',
  'cluster/drain',
  'bus/nats/lost-replies',
  'bus/memory/differential',
].map((name) => `/test/${name}.test.ts`);

const place = ({ moduleId }: TestSpecification): number => {
  const found = long.findIndex((end) => moduleId.endsWith(end));
  return found === -1 ? long.length : found;
};

/** Vitest's own order goes by the times of the last run, which continuous integration does not have. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}
