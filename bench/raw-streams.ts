/** Of the hand-written loop. */
export const rawStreams = { work: 'WORK_raw', records: 'KV_raw' } as const;
