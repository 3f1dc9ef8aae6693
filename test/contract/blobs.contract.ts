import { expect, test } from 'vitest';
import { bytes, type Make, text } from './world.ts';

/** What `Blobs` promises, whatever is behind it. */
export const blobsContract = (make: Make): void => {
  const open = async () => {
    const world = await make();
    return { world, ...(await world.connect()) };
  };

  test('a blob larger than any message is read by another as it was written', async () => {
    const { world, bus, blobs } = await open();
    const value = Uint8Array.from({ length: bus.maxPayload * 2 + 17 }, (_, n) => n % 251);
    await blobs.put('summarise.a.1', value);
    const read = await (await world.connect()).blobs.get('summarise.a.1');
    expect(Buffer.compare(read ?? bytes(''), value)).toBe(0);
  });

  test('however many are read, in a row or at once, each comes as it was written', async () => {
    const { blobs } = await open();
    const value = Uint8Array.from({ length: 300_000 }, (_, n) => n % 251);
    const names = Array.from({ length: 10 }, (_, n) => `b${n}`);
    for (const name of names) await blobs.put(name, value);
    // More than a stream of JetStream takes consumers.
    for (let round = 0; round < 110; round++) {
      const read = await Promise.all(names.map((name) => blobs.get(name)));
      expect(read.every((each) => each && Buffer.compare(each, value) === 0)).toBe(true);
    }
  });

  test('a blob may be empty, and its name any text', async () => {
    const { blobs } = await open();
    await blobs.put('t.=w7w/ü >*', bytes(''));
    expect((await blobs.get('t.=w7w/ü >*'))?.length).toBe(0);
    expect((await blobs.list()).map(({ name }) => name)).toEqual(['t.=w7w/ü >*']);
    await expect(blobs.put('', bytes('x'))).rejects.toMatchObject({ code: 'refused' });
  });

  test('writing a name again replaces the whole value', async () => {
    const { blobs } = await open();
    await blobs.put('a', bytes('a long value'));
    await blobs.put('a', bytes('short'));
    expect(text(await blobs.get('a'))).toBe('short');
    expect(await blobs.list()).toHaveLength(1);
  });

  test('a removed blob is gone, also from the list, and one that never was is no error', async () => {
    const { blobs } = await open();
    await blobs.put('a', bytes('1'));
    await blobs.put('b', bytes('2'));
    await blobs.remove('a');
    await blobs.remove('a');
    await blobs.remove('never');
    expect(await blobs.get('a')).toBeUndefined();
    expect(await blobs.get('never')).toBeUndefined();
    expect((await blobs.list()).map(({ name }) => name)).toEqual(['b']);
    await blobs.put('a', bytes('3'));
    expect(text(await blobs.get('a'))).toBe('3');
  });

  test('the list tells when each was written', async () => {
    const { world, blobs } = await open();
    expect(await blobs.list()).toEqual([]);
    await blobs.put('a', bytes('1'));
    const [{ at } = { at: 0 }] = await blobs.list();
    expect(Math.abs(at - world.clock.wall())).toBeLessThan(60_000);
  });
};
