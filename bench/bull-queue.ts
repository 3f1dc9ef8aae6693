/** BullMQ's queue. */
export const bullQueue = 'bench';
