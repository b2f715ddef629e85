import { useEffect, useState } from 'react';
import { isPassing, problemOf, type Problem } from '../logic/problems';
import type { Service } from '../logic/service';
import type { ModelFacts } from '../logic/wire';

const WAIT_MS = 1000;

export interface Models {
  readonly list: readonly ModelFacts[] | null;
  readonly problem: Problem | null;
}

/** What the service has loaded; asks until it is ready. `attempt` grows to ask anew. */
export function useModels(service: Service, attempt: number): Models {
  const [models, setModels] = useState<Models>({ list: null, problem: null });

  useEffect(() => {
    const controller = new AbortController();
    async function load(): Promise<void> {
      while (!controller.signal.aborted) {
        try {
          const list = await service.models(controller.signal);
          setModels({ list, problem: null });
          return;
        } catch (error) {
          if (controller.signal.aborted) return;
          setModels({ list: null, problem: problemOf(error) });
          if (!isPassing(error)) return;
        }
        await new Promise((done) => setTimeout(done, WAIT_MS));
      }
    }
    void load();
    return () => controller.abort();
  }, [service, attempt]);

  return models;
}
