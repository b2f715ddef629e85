import { useEffect, useRef, useState } from 'react';
import type { GreyImage } from '../logic/grey';
import { problemOf, type Problem } from '../logic/problems';
import type { Service } from '../logic/service';
import type { Study } from './studies';

const LONGEST_SIDE = 2048;
/** So many images stay in memory, 8 MB each at most. */
const KEPT = 8;

export interface Shown {
  readonly image: GreyImage | null;
  readonly problem: Problem | null;
}

const NOTHING: Shown = { image: null, problem: null };

/** The pixels of the selected study, from its file; waits until the queue could read it. */
export function useGreyImage(study: Study | null, service: Service): Shown {
  const kept = useRef(new Map<string, GreyImage>());
  const [loaded, setLoaded] = useState<{ key: string; shown: Shown } | null>(null);
  const key = study === null ? '' : `${study.id}/${study.asked.frame ?? ''}`;
  const readable = study !== null && study.thumbnail !== null;

  useEffect(() => {
    if (study === null || !readable) return;
    const before = kept.current.get(key);
    if (before !== undefined) {
      setLoaded({ key, shown: { image: before, problem: null } });
      return;
    }
    const controller = new AbortController();
    service.pixels(study.file, study.asked.frame, LONGEST_SIDE, controller.signal).then(
      (image) => {
        kept.current.set(key, image);
        const oldest = kept.current.keys().next().value;
        if (kept.current.size > KEPT && oldest !== undefined) kept.current.delete(oldest);
        setLoaded({ key, shown: { image, problem: null } });
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        setLoaded({ key, shown: { image: null, problem: problemOf(error) } });
      },
    );
    return () => controller.abort();
    // The file and frame of a study are in its key.
  }, [key, readable, service]);

  return loaded !== null && loaded.key === key ? loaded.shown : NOTHING;
}
