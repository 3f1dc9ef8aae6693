/** The id of what is given none: the same however often it is handed out, and no other message's. */
import type { Delivery } from '../bus/queue.ts';

/** A stream that is made anew, which may happen while a node runs, counts from the beginning, but at another time. */
export const madeId = ({ at, seq }: Pick<Delivery, 'at' | 'seq'>): string => `${at.toString(36)}-${seq}`;
