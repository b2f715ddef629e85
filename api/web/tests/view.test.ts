import { describe, expect, it } from 'vitest';
import {
  actualSize,
  fitted,
  kept,
  panned,
  showing,
  toImage,
  toScreen,
  zoomed,
} from '../src/logic/view';
import { BOX } from './stand-ins';

const IMAGE = { width: 1000, height: 500 };
const SCREEN = { width: 524, height: 524 };

it('fitted shows the whole image in the middle', () => {
  expect(fitted(IMAGE, SCREEN)).toEqual({ scale: 0.5, left: 12, top: 137 });
});

it('fitted survives a screen without size', () => {
  expect(fitted(IMAGE, { width: 0, height: 0 }).scale).toBeGreaterThan(0);
});

describe('zoomed', () => {
  const view = fitted(IMAGE, SCREEN);

  it('keeps the point under the pointer', () => {
    const at = { x: 100, y: 200 };
    const before = toImage(view, at);
    const next = zoomed(view, at, 3, view.scale);
    expect(next.scale).toBeCloseTo(1.5);
    expect(toScreen(next, before).x).toBeCloseTo(100);
    expect(toScreen(next, before).y).toBeCloseTo(200);
  });

  it.each([
    [1e-9, 0.25],
    [1e9, 32],
  ])('by %f ends at %f', (factor, scale) => {
    expect(zoomed(view, { x: 0, y: 0 }, factor, view.scale).scale).toBe(scale);
  });
});

it('actualSize is one pixel to one pixel of the display', () => {
  expect(actualSize(fitted(IMAGE, SCREEN), SCREEN, 2).scale).toBe(0.5);
});

it('toImage undoes toScreen', () => {
  const view = { scale: 0.7, left: -30, top: 12 };
  const point = toImage(view, toScreen(view, { x: 123, y: 45 }));
  expect(point.x).toBeCloseTo(123);
  expect(point.y).toBeCloseTo(45);
});

it('kept leaves a part of the image in sight', () => {
  const view = fitted(IMAGE, SCREEN);
  expect(kept(panned(view, -9999, 9999), IMAGE, SCREEN)).toMatchObject({ left: -452, top: 476 });
  expect(kept(view, IMAGE, SCREEN)).toEqual(view);
});

describe('showing', () => {
  const view = { scale: 1, left: 0, top: 0 };

  it('leaves the view alone where the box is on the screen', () => {
    expect(showing(view, BOX, SCREEN)).toBe(view);
  });

  it('centres a box that is not', () => {
    const next = showing({ ...view, left: -500 }, BOX, SCREEN);
    expect(toScreen(next, { x: 30, y: 50 })).toEqual({ x: 262, y: 262 });
  });
});
