/** Where captions of boxes go, so that none hides another. */

import type { Size } from './geometry';

export interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A box on the screen and its text; `always` shows it even where there is no room. */
export interface Captioned {
  readonly key: string;
  readonly text: string;
  readonly box: Place;
  readonly always: boolean;
}

const HEIGHT = 18;
const LETTER = 7;
const PADDING = 10;

/**
 * The place of each caption, by key, in screen pixels: above its box or else below, to the left or
 * else to the right. One that would lie on another is left out, the later first.
 */
export function captionPlaces(captions: readonly Captioned[], screen: Size): Map<string, Place> {
  const places = new Map<string, Place>();
  const inOrder = [...captions].sort((a, b) => Number(b.always) - Number(a.always));
  for (const caption of inOrder) {
    const candidates = candidatesOf(caption, screen);
    const taken = [...places.values()];
    const free = candidates.find((place) => !taken.some((other) => overlap(place, other)));
    const place = free ?? (caption.always ? candidates[0] : undefined);
    if (place !== undefined) places.set(caption.key, place);
  }
  return places;
}

function candidatesOf({ text, box }: Captioned, screen: Size): Place[] {
  const width = text.length * LETTER + PADDING;
  const [above, below] = [box.y - HEIGHT, box.y + box.height];
  const ys = above >= 0 ? [above, below] : [below, Math.max(box.y, 0)];
  const xs = [box.x, box.x + box.width - width];
  return ys.flatMap((y) =>
    xs.map((x) => ({
      x: Math.min(Math.max(x, 0), Math.max(screen.width - width, 0)),
      y,
      width,
      height: HEIGHT,
    })),
  );
}

function overlap(a: Place, b: Place): boolean {
  const wide = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const high = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return wide > 0 && high > 0;
}
