/** Why somebody has waited in vain. */
export interface Answer {
  /** When it came. */
  readonly atMs: number;
  /** How many wait in all. */
  readonly waiting: number;
  /** The budget is closed for so long, from `atMs`. */
  readonly closedMs: number;
}

export interface Waited {
  readonly connected: boolean;
  /** The latest. */
  readonly answer: Answer | undefined;
  readonly sinceMs: number;
  readonly nowMs: number;
}

/** A limiter answers each list, several times a second. */
const silenceMs = 2_000;

export const whyNot = ({ connected, answer, sinceMs, nowMs }: Waited): string => {
  if (!connected) return 'there is no connection to NATS';
  if (!answer || answer.atMs < sinceMs) return 'no limiter answers';
  if (nowMs - answer.atMs > silenceMs) return `no limiter has answered for ${Math.round(nowMs - answer.atMs)} ms`;
  const closedMs = Math.round(answer.closedMs - (nowMs - answer.atMs));
  if (closedMs > 0) return `its provider has closed it for another ${closedMs} ms`;
  return `${answer.waiting} wait for it`;
};
