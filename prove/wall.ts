/** This process's wall clock can be put forward or back: what `Date.now` says, which is where Troupe's clock reads it. */
const original = Date.now;
let shiftMs = 0;

export const jump = (byMs: number): void => {
  shiftMs += byMs;
  Date.now = () => original() + shiftMs;
};
