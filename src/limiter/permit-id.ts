/** A permit's name, `<epoch>.<slice>.<number>`: those of one slice are numbered from 1, as they are granted. */
export interface PermitId {
  readonly epoch: number;
  readonly slice: number;
  readonly number: number;
}

/** What is no permit's name has NaN for what is missing, and so is nobody's. */
export const permitIdOf = (text: string): PermitId => {
  const [epoch = Number.NaN, slice = Number.NaN, number = Number.NaN] = text.split('.').map(Number);
  return { epoch, slice, number };
};

export const permitText = ({ epoch, slice, number }: PermitId): string => `${epoch}.${slice}.${number}`;

/** The one `by` places further in its slice. */
export const later = ({ epoch, slice, number }: PermitId, by: number): PermitId => ({
  epoch,
  slice,
  number: number + by,
});

export const isNext = (id: PermitId, first: PermitId, count: number): boolean =>
  id.number === first.number + count && id.slice === first.slice && id.epoch === first.epoch;
