/** Options of the commands that take a model. */
export interface ModelOptions {
  readonly config?: string;
  readonly hook?: readonly string[];
  readonly inputRange?: string;
  readonly image?: string;
  readonly set?: readonly string[];
  readonly revision?: string;
  readonly file?: string;
  readonly weights?: string;
}

/** What else a command that takes a model reads and writes. */
export interface Files {
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
}
