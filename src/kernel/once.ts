/** What `make` resolves with, once for all who ask: a promise until it is there. What failed is made anew for the next. */
export const once = (make: () => Promise<unknown>): (() => unknown) => {
  let made: { readonly value: unknown } | undefined;
  let making: Promise<unknown> | undefined;
  const begin = (): Promise<unknown> =>
    make()
      .then((value) => {
        made = { value };
        return value;
      })
      .finally(() => {
        making = undefined;
      });
  return () => (made ? made.value : (making ??= begin()));
};
