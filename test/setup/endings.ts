import { onTestFinished } from 'vitest';

const ofTheFile: Array<() => Promise<void>> = [];

/** Cleans at the end of the test that asks for it; asked for in `beforeAll` or at the top of a file, at that one's end. */
export const atTheEnd = (clean: () => Promise<void>): void => {
  try {
    onTestFinished(clean);
  } catch {
    ofTheFile.push(clean);
  }
};

export const endFile = async (): Promise<void> => {
  for (const clean of ofTheFile.splice(0).reverse()) await clean();
};
