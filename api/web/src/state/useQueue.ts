import { useEffect, useRef, type Dispatch } from 'react';
import { isPassing, problemOf } from '../logic/problems';
import type { Service } from '../logic/service';
import { thumbnailOf } from './canvases';
import type { Event, Study } from './studies';

/** So many images are under way at the same time: one is sent while another is analysed. */
const AT_ONCE = 2;
const TRIES = 6;
const THUMBNAIL_SIDE = 160;

/**
 * Analyses waiting images in their order. `score` is the threshold to ask with, null until the
 * models are known; nothing is sent before.
 */
export function useQueue(
  studies: readonly Study[],
  service: Service,
  score: number | null,
  dispatch: Dispatch<Event>,
): void {
  const under = useRef(new Map<number, AbortController>());

  useEffect(() => {
    const known = new Set(studies.map((study) => study.id));
    for (const [id, controller] of under.current) {
      if (!known.has(id)) controller.abort();
    }
    if (score === null) return;
    const waiting = studies.filter(
      (study) => study.stage === 'waiting' && !under.current.has(study.id),
    );
    for (const study of waiting.slice(0, Math.max(AT_ONCE - under.current.size, 0))) {
      const controller = new AbortController();
      under.current.set(study.id, controller);
      dispatch({ type: 'begun', id: study.id });
      void analyse(study, service, score, dispatch, controller.signal).then((end) => {
        under.current.delete(study.id);
        // What was given up is gone already: that event only lets the next one begin.
        dispatch(end ?? { type: 'removed', id: study.id });
      });
    }
  }, [studies, service, score, dispatch]);
}

/** Reads and analyses one image; gives the event that ends it, null if it was given up. */
async function analyse(
  study: Study,
  service: Service,
  score: number,
  dispatch: Dispatch<Event>,
  signal: AbortSignal,
): Promise<Event | null> {
  const { id, file, asked } = study;
  try {
    const small = await patiently(
      () => service.pixels(file, asked.frame, THUMBNAIL_SIDE, signal),
      signal,
    );
    dispatch({ type: 'seen', id, thumbnail: thumbnailOf(small) });
    const analysis = await patiently(() => service.analyze(file, asked, score, signal), signal);
    return { type: 'analysed', id, analysis };
  } catch (error) {
    return signal.aborted ? null : { type: 'failed', id, problem: problemOf(error) };
  }
}

/** Tries again while the service says that it is busy, after the time that it names. */
async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!isPassing(error) || attempt === TRIES || signal.aborted) throw error;
      const seconds = Math.min(error.retryAfter ?? attempt, 10);
      await new Promise((done) => setTimeout(done, 1000 * seconds));
    }
  }
}
