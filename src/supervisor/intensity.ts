export interface RestartIntensity {
  /** How many restarts are allowed within `periodMs`. */
  readonly intensity: number;
  readonly periodMs: number;
}

/** Counts one restart per call, and answers whether that is still within the intensity. */
export const restartCounter = ({ intensity, periodMs }: RestartIntensity, nowMs: () => number) => {
  let restarts: readonly number[] = [];
  return (): boolean => {
    const at = nowMs();
    restarts = [...restarts.filter((then) => at - then <= periodMs), at];
    return restarts.length <= intensity;
  };
};
