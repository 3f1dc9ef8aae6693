/** A time up to its milliseconds, for the seconds that were asked for lately: most are asked for a thousand times. */
const lately = Array.from({ length: 64 }, () => ({ second: Number.NaN, text: '' }));

/** ISO 8601 in UTC, to the millisecond, of epoch ms. */
export const iso = (ms: number): string => {
  const second = Math.floor(ms / 1_000);
  let known = lately[second & 63];
  if (known?.second !== second) {
    known = { second, text: new Date(ms).toISOString().slice(0, -'123Z'.length) };
    lately[second & 63] = known;
  }
  return `${known.text}${String(Math.trunc(ms) - second * 1_000).padStart(3, '0')}Z`;
};
