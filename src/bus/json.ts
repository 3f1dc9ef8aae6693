/** Values as the bytes of a message, and back. Anybody may publish anything: what does not fit is nothing. */
import type { z } from 'zod';

export const encodeJson = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** `undefined` for what is no JSON, or does not fit the schema. */
export const decodeAs = <Schema extends z.ZodType>(schema: Schema, data: Uint8Array): z.output<Schema> | undefined => {
  try {
    return schema.safeParse(JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString())).data;
  } catch {
    return undefined;
  }
};
