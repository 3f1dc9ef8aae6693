/** Port: values too large for a record. A blob is written once under a name of its own and never shared. */
export interface Blobs {
  /**
   * Writing the same name again replaces the whole value. Throws `RefusedError`, as where the bucket is full, or
   * `UnavailableError` or `TimeoutError`: write it again.
   */
  put(name: string, value: Uint8Array): Promise<void>;
  /**
   * `undefined` where there is none, or it is not what was written. Throws `RefusedError`, `UnavailableError` or
   * `TimeoutError`: it can be read later.
   */
  get(name: string): Promise<Uint8Array | undefined>;
  /** No error where there is none. */
  remove(name: string): Promise<void>;
  /** The names there are, with the time of their writing in epoch ms. */
  list(): Promise<readonly { readonly name: string; readonly at: number }[]>;
}
