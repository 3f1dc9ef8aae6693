/** What a request says of a task: the body within its bounds, and the headers in the spelling of `tasks.<type>`. */
import type { Headers as TaskHeaders } from '../bus/bus.ts';
import { PayloadTooLargeError } from '../kernel/errors.ts';
import { inputBytesMax } from '../task/json.ts';
import { header } from '../task/headers.ts';
import { BadInputError } from '../task/problem.ts';

const tooLarge = (bytes: number): PayloadTooLargeError =>
  new PayloadTooLargeError(
    `a body of ${bytes} bytes or more; at most ${inputBytesMax} are taken: put the rest where the task can fetch it`,
  );

/** Reads no more than is taken, whatever was announced. Throws `PayloadTooLargeError`. */
export const bodyOf = async (request: Request): Promise<Uint8Array> => {
  const announced = Number(request.headers.get('content-length') ?? 0);
  if (announced > inputBytesMax) throw tooLarge(announced);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > inputBytesMax) throw tooLarge(bytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const { id, lane, key, tenant, group, deadline, delay, at } = header;
/** Names in HTTP have no case. */
const ours = new Map([id, lane, key, tenant, group, deadline, delay, at].map((name) => [name.toLowerCase(), name]));
/** Of all the other headers, those that say where a task belongs in a trace. */
const passed: ReadonlySet<string> = new Set(['traceparent', 'tracestate', 'baggage']);

/** Throws `BadInputError` for a `Troupe-*` header that there is not, or that is no UTF-8. */
export const taskHeaders = (headers: Headers): TaskHeaders => {
  const said: Record<string, string> = {};
  for (const [name, value] of headers) {
    const own = ours.get(name);
    if (own !== undefined) said[own] = asUtf8(own, value);
    else if (passed.has(name)) said[name] = value;
    else if (name.startsWith('troupe-'))
      throw new BadInputError(
        `header ${name} is none that a submitter sets; there are ${[...ours.values()].join(', ')}`,
        'invalid_header',
      );
  }
  return said;
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** HTTP hands over one character a byte. */
const asUtf8 = (name: string, value: string): string => {
  try {
    return utf8.decode(Buffer.from(value, 'latin1'));
  } catch (cause) {
    throw new BadInputError(`header ${name} is no UTF-8`, 'invalid_header', { cause });
  }
};
