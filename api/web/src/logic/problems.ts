/** What went wrong, for people, and what they can do about it. */

/** The service refused a request, or did not answer: `status` 0. */
export class ServiceError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fault: string | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

export type Remedy = 'kind' | 'frame' | 'key' | 'retry' | null;

export interface Problem {
  readonly title: string;
  readonly text: string;
  readonly remedy: Remedy;
  /** How many frames the file has, where one of them has to be chosen. */
  readonly frames: number | null;
}

const BY_FAULT: Readonly<Record<string, readonly [string, Remedy]>> = {
  'several-frames': ['Several pictures in one file', 'frame'],
  'no-such-frame': ['No such frame', 'frame'],
  'no-radiograph': ['Not recognised as a radiograph', 'kind'],
  'no-model': ['No model for this radiograph', 'kind'],
  'too-large': ['The image is too large', null],
  truncated: ['The file is cut off', null],
  timeout: ['Reading the file takes too long', 'retry'],
  'unknown-format': ['Not an image', null],
};

const BY_CODE: Readonly<Record<string, readonly [string, Remedy]>> = {
  not_an_image: ['Not an image', null],
  empty_file: ['The file is empty', null],
  unreadable_image: ['The image cannot be read', null],
  unsuitable_image: ['No model is for this image', 'kind'],
  too_large: ['The file is too large', null],
  not_ready: ['The models are still being loaded', 'retry'],
  unauthorised: ['The service asks for a key', 'key'],
  unreadable_file: ['The file cannot be opened', null],
  no_answer: ['The service does not answer', 'retry'],
};

const BY_STATUS: Readonly<Record<number, readonly [string, Remedy]>> = {
  401: ['The service asks for a key', 'key'],
  403: ['The key may not do this', 'key'],
  408: ['The service stopped waiting', 'retry'],
  413: ['The file is too large', null],
  429: ['Too many requests', 'retry'],
  503: ['The service is busy', 'retry'],
  500: ['The service failed', 'retry'],
  502: ['The service cannot be reached', 'retry'],
  504: ['The analysis took too long', 'retry'],
};

// Where the service's own words are for those who write programs.
const TEXTS: Readonly<Record<number, string>> = {
  500: 'Try again; if it happens again, tell those who run the service.',
  401: 'Whoever runs this service hands out keys. Give yours, and the images are analysed.',
};

export function problemOf(error: unknown): Problem {
  if (!(error instanceof ServiceError)) {
    const text = error instanceof Error ? error.message : String(error);
    return {
      title: 'Something went wrong in the page',
      text: sentence(text),
      remedy: 'retry',
      frames: null,
    };
  }
  const [title, remedy] = (error.fault !== null ? BY_FAULT[error.fault] : undefined) ??
    BY_CODE[error.code] ??
    BY_STATUS[error.status] ?? [
      'The service refused the image',
      error.status >= 500 ? 'retry' : null,
    ];
  const frames = remedy === 'frame' ? framesIn(error.message) : null;
  // What to do about the kind is said by buttons.
  const said = remedy === 'kind' ? error.message.split(';')[0]! : error.message;
  const text =
    frames === null
      ? (TEXTS[error.status] ?? sentence(said))
      : `The file has ${frames === 1 ? '1 frame' : `${frames} frames`}; choose the one to analyse.`;
  return { title, text, remedy, frames };
}

function framesIn(message: string): number | null {
  const count = /\bhas (\d+) frames?\b/.exec(message)?.[1];
  return count === undefined ? null : Number(count);
}

// What messages go on with where they begin with the image's name.
const OF_THE_IMAGE = /^(is|was|has|have|cannot|does|ends|holds|must|needs|contains|could|looks) /;

/** Starts with a capital and ends with a full stop; the stand-in for the file's name gets a word. */
export function sentence(text: string): string {
  const named = text.replace(/^image: /, '').trim();
  const plain = named !== text && OF_THE_IMAGE.test(named) ? `the image ${named}` : named;
  const ended = /[.!?…]$/.test(plain) ? plain : `${plain}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}

export function firstSentence(text: string): string {
  return /^.*?[.!?](?=\s|$)/s.exec(text.trim())?.[0] ?? text.trim();
}

/** Whether asking again a little later may help without anybody doing anything. */
export function isPassing(error: unknown): error is ServiceError {
  return error instanceof ServiceError && (error.status === 503 || error.status === 429);
}
