/**
 * The form of an entry in the catalogue of error codes. Each layer keeps the entries of its own
 * errors in its `error-codes.ts`; `coronet explain CODE` and docs/errors.md show all of them.
 */

/** What is told about a code. */
export interface CatalogueEntry {
  /** The class whose instances carry the code. */
  readonly className: string;
  /** What happened, in one sentence. */
  readonly sentence: string;
  /** What usually leads there. */
  readonly cause: string;
  /** What to do about it. */
  readonly remedy: string;
}

export type Catalogue = Readonly<Record<string, CatalogueEntry>>;
