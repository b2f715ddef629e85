import { useCallback, useMemo, useState } from 'react';
import type { GreyImage, GreyWindow } from '../logic/grey';

export interface Display {
  readonly window: GreyWindow;
  readonly inverted: boolean;
  readonly setWindow: (window: GreyWindow) => void;
  readonly invert: () => void;
  readonly reset: () => void;
}

const BLACK: GreyWindow = { low: 0, high: 1 };

interface Chosen {
  readonly image: GreyImage;
  readonly window: GreyWindow;
  readonly inverted: boolean;
}

/** Window and inversion of the shown image; another image begins with its own. */
export function useDisplay(image: GreyImage | null): Display {
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const fresh = useMemo(
    () => (image === null ? null : { image, window: image.window, inverted: false }),
    [image],
  );
  const now = chosen !== null && chosen.image === image ? chosen : fresh;
  const setWindow = useCallback(
    (window: GreyWindow) => now !== null && setChosen({ ...now, window }),
    [now],
  );
  return {
    window: now?.window ?? BLACK,
    inverted: now?.inverted ?? false,
    setWindow: (window) => void setWindow(window),
    invert: () => now !== null && setChosen({ ...now, inverted: !now.inverted }),
    reset: () => setChosen(null),
  };
}
