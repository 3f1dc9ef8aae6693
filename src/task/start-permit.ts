/** The right to start one attempt of a task that has a budget. */
export interface StartPermit {
  /** The handler is about to be called. False: it must not be; the task goes back, and no attempt counts. */
  begin(): boolean;
  /** The attempt is over, or there will be none. Further calls are ignored. */
  end(): void;
}
