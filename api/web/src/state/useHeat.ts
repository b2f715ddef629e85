import { useEffect, useState } from 'react';
import type { HeatMap } from '../logic/wire';
import { heatCanvas } from './canvases';

/** The canvas of a heat map, null where there is none or it is not decoded yet. */
export function useHeat(map: HeatMap | null): HTMLCanvasElement | null {
  const [drawn, setDrawn] = useState<{ map: HeatMap; canvas: HTMLCanvasElement } | null>(null);

  useEffect(() => {
    if (map === null) return;
    let wanted = true;
    void heatCanvas(map.png).then((canvas) => {
      if (wanted) setDrawn({ map, canvas });
    });
    return () => {
      wanted = false;
    };
  }, [map]);

  return drawn !== null && drawn.map === map ? drawn.canvas : null;
}
