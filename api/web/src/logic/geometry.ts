/** Boxes in pixels of the stored image, the origin at its top left corner. */

import type { WireBox } from './wire';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A side or corner of a box, by compass. */
export type Handle = 'n' | 'ne' | 'e' | 'se' | 's' | 'sw' | 'w' | 'nw';

export const HANDLES: readonly Handle[] = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw'];

/** A box is at least this wide and high, in pixels. */
export const LEAST_SIDE = 2;

export const widthOf = (box: WireBox): number => box.x2 - box.x1;
export const heightOf = (box: WireBox): number => box.y2 - box.y1;

/** The box between two corners, whichever comes first, within the image. */
export function boxBetween(a: Point, b: Point, image: Size): WireBox {
  const within = (value: number, most: number) => Math.min(Math.max(value, 0), most);
  return rounded({
    x1: within(Math.min(a.x, b.x), image.width),
    y1: within(Math.min(a.y, b.y), image.height),
    x2: within(Math.max(a.x, b.x), image.width),
    y2: within(Math.max(a.y, b.y), image.height),
  });
}

/** Whether a box is large enough to be meant. */
export function isMeant(box: WireBox): boolean {
  return widthOf(box) >= LEAST_SIDE && heightOf(box) >= LEAST_SIDE;
}

/** The box pushed by (dx, dy); it keeps its size and stays in the image. */
export function moved(box: WireBox, dx: number, dy: number, image: Size): WireBox {
  const right = Math.min(Math.max(dx, -box.x1), image.width - box.x2);
  const down = Math.min(Math.max(dy, -box.y1), image.height - box.y2);
  return rounded({
    x1: box.x1 + right,
    y1: box.y1 + down,
    x2: box.x2 + right,
    y2: box.y2 + down,
  });
}

/** The box with a side or corner pulled by (dx, dy); it never turns over and stays in the image. */
export function resized(
  box: WireBox,
  handle: Handle,
  dx: number,
  dy: number,
  image: Size,
): WireBox {
  let { x1, y1, x2, y2 } = box;
  if (handle.includes('w')) x1 = Math.min(Math.max(x1 + dx, 0), x2 - LEAST_SIDE);
  if (handle.includes('e')) x2 = Math.max(Math.min(x2 + dx, image.width), x1 + LEAST_SIDE);
  if (handle.includes('n')) y1 = Math.min(Math.max(y1 + dy, 0), y2 - LEAST_SIDE);
  if (handle.includes('s')) y2 = Math.max(Math.min(y2 + dy, image.height), y1 + LEAST_SIDE);
  return rounded({ x1, y1, x2, y2 });
}

/** Where a handle lies on the box. */
export function handleAt(box: WireBox, handle: Handle): Point {
  const x = handle.includes('w') ? box.x1 : handle.includes('e') ? box.x2 : (box.x1 + box.x2) / 2;
  const y = handle.includes('n') ? box.y1 : handle.includes('s') ? box.y2 : (box.y1 + box.y2) / 2;
  return { x, y };
}

/** A box of a fifth of the image's shorter side around a point. */
export function boxAround(centre: Point, image: Size): WireBox {
  const half = Math.max(LEAST_SIDE, Math.min(image.width, image.height) / 10);
  return boxBetween(
    { x: centre.x - half, y: centre.y - half },
    { x: centre.x + half, y: centre.y + half },
    image,
  );
}

/** Corners to a hundredth of a pixel. */
export function rounded(box: WireBox): WireBox {
  const round = (value: number) => Math.round(value * 100) / 100;
  return { x1: round(box.x1), y1: round(box.y1), x2: round(box.x2), y2: round(box.y2) };
}
