/**
 * What HTTP alone knows of a request, noted as it comes in, before aimock reads it, and found again when aimock asks for
 * its answer. aimock hands one header on, its own `x-aimock-context`; the note's name travels in that.
 */
import type { LLMock } from '@copilotkit/aimock';

type Mountable = Parameters<LLMock['mount']>[1];
type Incoming = Parameters<Mountable['handleRequest']>[0];

export interface Note {
  readonly headMs: number;
  /** Undefined until the last byte has been read. */
  readonly bodyMs: number | undefined;
  /** What the caller has reserved of its budget for this request, as its `x-troupe-reserved` says. */
  readonly reserved: number | undefined;
  readonly request: string | undefined;
  readonly key: string | undefined;
}

export interface Gate {
  readonly mountable: Mountable;
  /** Once for each. */
  take(name: string | undefined): Note | undefined;
}

const header = ({ headers }: Incoming, name: string): string | undefined => {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const count = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : undefined;

export const gate = (nowMs: () => number): Gate => {
  const notes = new Map<string, Note>();
  let named = 0;
  return {
    mountable: {
      handleRequest: (incoming, outgoing) => {
        const name = `${(named += 1)}`;
        const note: Note = {
          headMs: nowMs(),
          bodyMs: undefined,
          reserved: count(header(incoming, 'x-troupe-reserved')),
          request: header(incoming, 'x-request-id'),
          key: header(incoming, 'idempotency-key'),
        };
        notes.set(name, note);
        incoming.headers['x-aimock-context'] = name;
        incoming.once('end', () => notes.has(name) && notes.set(name, { ...note, bodyMs: nowMs() }));
        outgoing.once('close', () => void notes.delete(name));
        return Promise.resolve(false); // aimock answers it.
      },
    },
    take: (name = '') => {
      const note = notes.get(name);
      notes.delete(name);
      return note;
    },
  };
};
