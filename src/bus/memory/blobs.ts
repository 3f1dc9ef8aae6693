import { RefusedError } from '../../kernel/errors.ts';
import type { Blobs } from '../blobs.ts';
import type { Client } from './client.ts';

export const memoryBlobs = (client: Client): Blobs => {
  const { clock, faults, server } = client;

  return {
    put: async (name, value) => {
      if (name === '') throw new RefusedError('a blob has a name');
      const kept = value.slice();
      const refused = faults.draw('blob', name) === 'refuse';
      const keep = (): void => {
        if (refused) throw new RefusedError(`blob "${name}": the bucket is full`);
        server.blobs.set(name, { value: kept, at: clock.wall() });
      };
      await client.call(`blob "${name}"`, keep, { write: true });
    },
    get: (name) => client.call(`blob "${name}"`, () => server.blobs.get(name)?.value.slice()),
    remove: (name) => client.call(`blob "${name}"`, () => void server.blobs.delete(name), { write: true }),
    list: () => client.call('blobs', () => [...server.blobs].map(([name, { at }]) => ({ name, at }))),
  };
};
