import { isUtf8 } from 'node:buffer';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Document, readDocument } from '../../examples/documents.ts';

const folder = new URL('../../examples/corpus/', import.meta.url);
const names = readdirSync(folder).flatMap((file) => (file.endsWith('.txt') ? [file.slice(0, -'.txt'.length)] : []));
const bytesOf = (name: string): Buffer => readFileSync(new URL(`${name}.txt`, folder));

describe('the corpus', () => {
  it('has at least 200 documents of 1 to 8 KB of UTF-8', () => {
    const odd = names.filter((name) => {
      const bytes = bytesOf(name);
      return bytes.length < 1_000 || bytes.length > 8_192 || !isUtf8(bytes);
    });
    expect(names.length).toBeGreaterThanOrEqual(200);
    expect(odd).toEqual([]);
  });

  it('has no document twice, neither by title nor by text', () => {
    const texts = names.map((name) => bytesOf(name).toString());
    const titles = texts.map((text) => text.split('\n', 1)[0]);
    expect(new Set(titles).size).toBe(names.length);
    expect(new Set(texts.map((text) => text.split('\n').slice(1).join('\n'))).size).toBe(names.length);
  });

  it('names every document so that a task can be given it', () => {
    expect(names.filter((document) => !Document.safeParse({ document }).success)).toEqual([]);
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
