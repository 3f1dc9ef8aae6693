import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Document, readDocument } from '../../examples/documents.ts';

const folder = new URL('../../examples/corpus/', import.meta.url);
const names = readdirSync(folder).flatMap((file) => (file.endsWith('.txt') ? [file.slice(0, -'.txt'.length)] : []));
const bytesOf = (name: string): Buffer => readFileSync(new URL(`${name}.txt`, folder));

describe('the corpus', () => {
  it('has at least 200 documents of 1 to 8 KB of UTF-8', () => {
    expect(names.length).toBeGreaterThanOrEqual(200);
    for (const name of names) {
      const bytes = bytesOf(name);
      expect(bytes.length, name).toBeGreaterThanOrEqual(1_000);
      expect(bytes.length, name).toBeLessThanOrEqual(8_192);
      expect(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes), name).not.toThrow();
    }
  });

  it('has no document twice, neither by title nor by text', () => {
    const texts = names.map((name) => bytesOf(name).toString());
    const titles = texts.map((text) => text.split('\n', 1)[0]);
    expect(new Set(titles).size).toBe(names.length);
    expect(new Set(texts.map((text) => text.split('\n').slice(1).join('\n'))).size).toBe(names.length);
  });

  it('names every document so that a task can be given it', () => {
    for (const document of names) expect(Document.safeParse({ document }).success, document).toBe(true);
  });

  it('opens every document with its title', async () => {
    const { title, text } = await readDocument('gettysburg-address');
    expect(title).toBe('The Gettysburg Address');
    expect(text.startsWith(`${title}\n\n`)).toBe(true);
  });
});

describe('reading a document', () => {
  it('never leaves the folder', () => {
    expect(Document.safeParse({ document: '../app' }).success).toBe(false);
  });

  it('fails for good where there is none', async () => {
    await expect(readDocument('no-such-document')).rejects.toMatchObject({ code: 'non_retryable' });
  });
});
