import { expect, test } from 'vitest';
import { bytes, text } from '../../contract/world.ts';
import { freshNats } from '../../setup/servers.ts';
import { connectTo, serverApi } from './link.ts';

test.each([
  ['has lost a part', 'STREAM.PURGE.OBJ_blobs', { filter: '$O.blobs.C.>', keep: 1 }],
  ['has lost all of them', 'STREAM.PURGE.OBJ_blobs', { filter: '$O.blobs.C.>' }],
])('a blob that %s is none any more, and the others are read as ever', async (_what, operation, body) => {
  const link = await connectTo((await freshNats()).url);
  const value = bytes('x'.repeat(300_000)); // Of several chunks.
  await link.blobs.put('broken', value);
  expect(text(await link.blobs.get('broken'))).toBe(text(value));
  await serverApi(link, operation, body);
  await link.blobs.put('whole', value);
  expect(await link.blobs.get('broken')).toBeUndefined();
  expect(text(await link.blobs.get('whole'))).toBe(text(value));
});

test('a blob with other bytes than were written is none', async () => {
  const link = await connectTo((await freshNats()).url);
  await link.blobs.put('changed', bytes('abc'));
  const { message } = await serverApi(link, 'STREAM.MSG.GET.OBJ_blobs', { last_by_subj: '$O.blobs.C.*' });
  await serverApi(link, 'STREAM.MSG.DELETE.OBJ_blobs', { seq: message.seq });
  await link.queue.publish(message.subject, bytes('abd'));
  expect(await link.blobs.get('changed')).toBeUndefined();
});

test('a bucket that a server has forgotten is made again by who tries again', async () => {
  const link = await connectTo((await freshNats()).url);
  await link.blobs.put('a', bytes('1'));
  await serverApi(link, 'STREAM.DELETE.OBJ_blobs');
  await expect(link.blobs.put('a', bytes('2'))).rejects.toMatchObject({ code: 'unavailable' });
  await link.blobs.put('a', bytes('2'));
  expect(text(await link.blobs.get('a'))).toBe('2');
});

test('a full bucket refuses, and the error names the stream and what to do', async () => {
  const link = await connectTo((await freshNats()).url);
  await link.blobs.put('first', bytes('x'));
  const { config } = await serverApi(link, 'STREAM.INFO.OBJ_blobs');
  await serverApi(link, 'STREAM.UPDATE.OBJ_blobs', { ...config, max_bytes: 10_000, discard: 'new' });
  const put = link.blobs.put('second', bytes('x'.repeat(20_000)));
  await expect(put).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('stream, OBJ_blobs') });
});
