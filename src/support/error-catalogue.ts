/**
 * The entry of an error code. Each layer has the entries of its own codes in its `error-codes.ts`;
 * `coronet explain CODE` and docs/errors.md show all of them.
 */
export interface CatalogueEntry {
  /** The class of the errors with this code. */
  readonly className: string;
  /** The event, in one sentence. */
  readonly sentence: string;
  /** The usual cause. */
  readonly cause: string;
  /** The way to correct or avoid it. */
  readonly remedy: string;
  /** The view of the program that shows the state: a sentence, and the section in docs/. */
  readonly look?: { readonly text: string; readonly section: string };
}

export type Catalogue = Readonly<Record<string, CatalogueEntry>>;
