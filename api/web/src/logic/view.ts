/** How the stored image lies on the screen: a point (x, y) of it is at scale * (x, y) + (left, top). */

import type { Point, Size } from './geometry';
import type { WireBox } from './wire';

export interface View {
  readonly scale: number;
  readonly left: number;
  readonly top: number;
}

const MARGIN = 12;
const MOST = 32;
/** So much of the image stays in sight, in screen pixels. */
const IN_SIGHT = 48;

/** The whole image, centred. */
export function fitted(image: Size, screen: Size): View {
  const wide = Math.max(screen.width - 2 * MARGIN, 1) / image.width;
  const high = Math.max(screen.height - 2 * MARGIN, 1) / image.height;
  return centred(Math.min(wide, high, MOST), image, screen);
}

/** One pixel of the image on one of the screen, about the same middle. */
export function actualSize(view: View, screen: Size, pixelRatio: number): View {
  const middle = { x: screen.width / 2, y: screen.height / 2 };
  return zoomedTo(view, middle, 1 / pixelRatio);
}

/** `factor` times as large, about a point of the screen that stays where it is. */
export function zoomed(view: View, at: Point, factor: number, fit: number): View {
  const scale = Math.min(Math.max(view.scale * factor, fit / 2), Math.max(MOST, fit));
  return zoomedTo(view, at, scale);
}

function zoomedTo(view: View, at: Point, scale: number): View {
  const ratio = scale / view.scale;
  return {
    scale,
    left: at.x - (at.x - view.left) * ratio,
    top: at.y - (at.y - view.top) * ratio,
  };
}

/** Pushed by (dx, dy) screen pixels. */
export function panned(view: View, dx: number, dy: number): View {
  return { ...view, left: view.left + dx, top: view.top + dy };
}

/** The nearest view in which a part of the image is in sight. */
export function kept(view: View, image: Size, screen: Size): View {
  const wide = image.width * view.scale;
  const high = image.height * view.scale;
  const sight = Math.min(IN_SIGHT, wide, high);
  return {
    scale: view.scale,
    left: Math.min(Math.max(view.left, sight - wide), screen.width - sight),
    top: Math.min(Math.max(view.top, sight - high), screen.height - sight),
  };
}

/** The view moved, without zoom, until a box is on the screen. */
export function showing(view: View, box: WireBox, screen: Size): View {
  const a = toScreen(view, { x: box.x1, y: box.y1 });
  const b = toScreen(view, { x: box.x2, y: box.y2 });
  const inside =
    b.x > MARGIN && a.x < screen.width - MARGIN && b.y > MARGIN && a.y < screen.height - MARGIN;
  if (inside) return view;
  return panned(view, screen.width / 2 - (a.x + b.x) / 2, screen.height / 2 - (a.y + b.y) / 2);
}

export function toScreen(view: View, point: Point): Point {
  return { x: point.x * view.scale + view.left, y: point.y * view.scale + view.top };
}

export function toImage(view: View, point: Point): Point {
  return { x: (point.x - view.left) / view.scale, y: (point.y - view.top) / view.scale };
}

function centred(scale: number, image: Size, screen: Size): View {
  return {
    scale,
    left: (screen.width - image.width * scale) / 2,
    top: (screen.height - image.height * scale) / 2,
  };
}
