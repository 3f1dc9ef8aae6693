/**
 * Headers between the wire and plain records, with as little work as can be: a block is read only when
 * somebody looks, and one frozen record that goes out many times is turned into bytes once.
 */
import type { Msg, MsgHdrs } from '@nats-io/nats-core';
import { InvalidNameError, RefusedError } from '../../kernel/errors.ts';
import type { Headers } from '../bus.ts';
import { headerName, lineBreak } from '../headers.ts';

const version = 'NATS/1.0';
const lineEnd = '\r\n';

export const noHeaders: Headers = Object.freeze({});

/** What the client library keeps of a message. It shows decoded headers only, at several times the cost. */
interface Frame {
  readonly _msg: { readonly hdr: number };
  readonly _rdata: Uint8Array;
}
const frameOf = (message: Msg): Frame => message as unknown as Frame;

export const textOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');

/** What the server says by a number instead of a message. */
export const statuses = { idle: 100, endOfBatch: 204, none: 404, timedOut: 408, nobody: 503 } as const;

/** 0 for a message that is no status of the server's. */
export const statusOf = (message: Msg): number => {
  const { _msg, _rdata } = frameOf(message);
  if (_msg.hdr < version.length + 4 || _rdata[version.length] !== 0x20) return 0;
  return Number.parseInt(textOf(_rdata.subarray(version.length + 1, version.length + 4)), 10) || 0;
};

/** What the server says beside the number of a status. */
export const statusText = (message: Msg): string => {
  const { _msg, _rdata } = frameOf(message);
  const block = textOf(_rdata.subarray(0, _msg.hdr));
  return block.slice(version.length + 4, block.indexOf(lineEnd)).trim();
};

export const headersOf = (message: Msg): Headers => {
  const { _msg, _rdata } = frameOf(message);
  return _msg.hdr > 0 ? parseHeaders(textOf(_rdata.subarray(0, _msg.hdr))) : noHeaders;
};

/** The first value of each name. What is no header line is passed over: others may have sent anything. */
export const parseHeaders = (block: string): Headers => {
  // No prototype: a header may be called `constructor`.
  const headers: Record<string, string> = Object.create(null);
  let start = block.indexOf(lineEnd) + 2;
  for (let end = block.indexOf(lineEnd, start); end > start; end = block.indexOf(lineEnd, start)) {
    const colon = block.indexOf(':', start);
    if (colon > start && colon < end) {
      const name = block.slice(start, colon);
      headers[name] ??= block.slice(colon + 1, end).trim();
    }
    start = end + 2;
  }
  return headers;
};

const linesOf = (headers: Headers, leaves: (name: string) => boolean): string => {
  let lines = '';
  for (const name of Object.keys(headers)) {
    if (!leaves(name)) continue;
    const value = headers[name] ?? '';
    if (lineBreak.test(value)) throw new RefusedError(`header ${name}: a value cannot hold a line break`);
    lines += `${name}: ${value}${lineEnd}`;
  }
  return lines;
};

/** The library asks of headers nothing but their bytes. */
const encoded = (bytes: Uint8Array): MsgHdrs => ({ encode: () => bytes }) as unknown as MsgHdrs;

const block = (lines: string): MsgHdrs | undefined =>
  lines === '' ? undefined : encoded(Buffer.from(`${version}${lineEnd}${lines}${lineEnd}`, 'utf8'));

/** Of each kind: nobody's headers are as many that matter. */
const cachedMost = 100;

export type EncodeHeaders = (headers: Headers | undefined, more?: string) => MsgHdrs | undefined;

/**
 * An encoder with caches of its own; headers whose names are `reserved` do not leave by it. `more` are
 * complete lines to add.
 */
export const headerEncoder = (reserved?: RegExp): EncodeHeaders => {
  const blocks = new WeakMap<Headers, { readonly lines: string; readonly alone: MsgHdrs | undefined }>();
  const frequent = new Map<string, MsgHdrs>();
  const known = new Map<string, boolean>();

  const leaves = (name: string): boolean => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const free = !reserved?.test(name);
    if (free && !headerName.test(name))
      throw new InvalidNameError('a header', name, 'give printable ASCII without a colon');
    if (known.size < cachedMost) known.set(name, free);
    return free;
  };

  const blockOf = (headers: Headers) => {
    const before = blocks.get(headers);
    if (before) return before;
    const lines = linesOf(headers, leaves);
    const made = { lines, alone: block(lines) };
    if (Object.isFrozen(headers)) blocks.set(headers, made);
    return made;
  };

  const byItself = (more: string): MsgHdrs | undefined => {
    const before = frequent.get(more);
    if (before || frequent.size >= cachedMost) return before ?? block(more);
    const made = block(more);
    if (made) frequent.set(more, made);
    return made;
  };

  return (headers, more = '') => {
    if (headers === undefined) return more === '' ? undefined : byItself(more);
    const { lines, alone } = blockOf(headers);
    return more === '' ? alone : block(lines + more);
  };
};
