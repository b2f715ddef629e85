/** Requests to the service that the page came from. */

import { readGreyImage, type GreyImage } from './grey';
import { ServiceError } from './problems';
import type { Feedback, ModelFacts, Report } from './wire';

/** What a reader says of an image where the service cannot know. */
export interface Asked {
  readonly kind: 'auto' | 'chest' | 'bone' | 'any';
  readonly frame: number | null;
}

export const NOTHING_ASKED: Asked = { kind: 'auto', frame: null };

export interface Service {
  models(signal?: AbortSignal): Promise<ModelFacts[]>;
  analyze(file: File, asked: Asked, score: number, signal?: AbortSignal): Promise<Analysis>;
  pixels(
    file: File,
    frame: number | null,
    longestSide: number,
    signal?: AbortSignal,
  ): Promise<GreyImage>;
  feedback(feedback: Feedback, file: File): Promise<string>;
}

/** A report, and the same word for word as the service sent it. */
export interface Analysis {
  readonly report: Report;
  readonly text: string;
}

/** `key` tells the API key, if one was given; addresses are relative to the page's own. */
export function makeService(
  key: () => string | null,
  fetching: typeof fetch = (...given) => fetch(...given),
): Service {
  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    const secret = key();
    const headers: HeadersInit = secret === null ? {} : { Authorization: `Bearer ${secret}` };
    let response: Response;
    try {
      response = await fetching(path, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      const message = 'The service does not answer; see whether it still runs, then try again.';
      throw new ServiceError(0, 'no_answer', message);
    }
    if (!response.ok) throw await refusal(response);
    return response;
  }

  const upload = async (file: File): Promise<FormData> => {
    await checkReadable(file);
    const form = new FormData();
    // Without its name, which may be a patient's.
    form.append('file', file, 'image');
    return form;
  };
  const aborting = (signal?: AbortSignal): RequestInit => (signal === undefined ? {} : { signal });

  return {
    async models(signal) {
      const response = await ask('v1/models', aborting(signal));
      return ((await response.json()) as { models: ModelFacts[] }).models;
    },
    async analyze(file, asked, score, signal) {
      const query = new URLSearchParams({
        conf: String(score),
        heatmap: 'true',
        max_detections: '300',
      });
      if (asked.kind !== 'auto') query.set('kind', asked.kind);
      if (asked.frame !== null) query.set('frame', String(asked.frame));
      const init = { method: 'POST', body: await upload(file), ...aborting(signal) };
      const text = await (await ask(`v1/analyze?${query}`, init)).text();
      return { report: JSON.parse(text) as Report, text };
    },
    async pixels(file, frame, longestSide, signal) {
      const query = new URLSearchParams({ longest_side: String(longestSide) });
      if (frame !== null) query.set('frame', String(frame));
      const init = { method: 'POST', body: await upload(file), ...aborting(signal) };
      const response = await ask(`v1/pixels?${query}`, init);
      return readGreyImage(await response.arrayBuffer(), response.headers);
    },
    async feedback(feedback, file) {
      const form = await upload(file);
      form.append('feedback', JSON.stringify(feedback));
      const response = await ask('v1/feedback', { method: 'POST', body: form });
      return ((await response.json()) as { id: string }).id;
    },
  };
}

/** A folder, or a file that has gone since, would look like a service that does not answer. */
async function checkReadable(file: File): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    const message = 'The browser cannot read it: it is a folder, or was moved or changed.';
    throw new ServiceError(0, 'unreadable_file', message);
  }
}

async function refusal(response: Response): Promise<ServiceError> {
  const after = Number(response.headers.get('Retry-After') ?? NaN);
  const retryAfter = Number.isFinite(after) ? after : null;
  try {
    const { error } = (await response.json()) as {
      error: { code: string; message: string; fault?: string };
    };
    const { code, message, fault } = error;
    return new ServiceError(response.status, code, message, fault ?? null, retryAfter);
  } catch {
    // A proxy in between answers in its own words.
    const message = `The answer was ${response.status} ${response.statusText}`.trim();
    return new ServiceError(response.status, 'unknown', message, null, retryAfter);
  }
}
