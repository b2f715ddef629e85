import { describe, expect, it } from 'vitest';
import {
  boxAround,
  boxBetween,
  handleAt,
  isMeant,
  moved,
  resized,
  type Handle,
} from '../src/logic/geometry';
import { BOX } from './stand-ins';

const IMAGE = { width: 100, height: 100 };

it.each([
  [{ x: 10, y: 20 }, { x: 30, y: 60 }, [10, 20, 30, 60]],
  [{ x: 30, y: 60 }, { x: 10, y: 20 }, [10, 20, 30, 60]],
  [{ x: -5, y: 50 }, { x: 200, y: 120 }, [0, 50, 100, 100]],
])('boxBetween %o and %o', (a, b, corners) => {
  expect(Object.values(boxBetween(a, b, IMAGE))).toEqual(corners);
});

it.each([
  [5, -5, [15, 15, 55, 75]],
  [-99, 99, [0, 40, 40, 100]],
  [0.123, 0, [10.12, 20, 50.12, 80]],
])('moved by %f, %f keeps its size and stays inside', (dx, dy, corners) => {
  expect(Object.values(moved(BOX, dx, dy, IMAGE))).toEqual(corners);
});

it.each<[Handle, number, number, number[]]>([
  ['se', 10, 10, [10, 20, 60, 90]],
  ['nw', -20, 5, [0, 25, 50, 80]],
  ['e', 999, 999, [10, 20, 100, 80]],
  ['n', 0, 999, [10, 78, 50, 80]],
  ['w', 999, 0, [48, 20, 50, 80]],
])('resized at %s by %f, %f never turns over', (handle, dx, dy, corners) => {
  expect(Object.values(resized(BOX, handle, dx, dy, IMAGE))).toEqual(corners);
});

it.each<[Handle, number, number]>([
  ['nw', 10, 20],
  ['s', 30, 80],
  ['e', 50, 50],
])('handle %s lies at %f, %f', (handle, x, y) => {
  expect(handleAt(BOX, handle)).toEqual({ x, y });
});

describe('boxAround', () => {
  it('is a fifth of the shorter side', () => {
    const box = boxAround({ x: 50, y: 50 }, { width: 200, height: 100 });
    expect(Object.values(box)).toEqual([40, 40, 60, 60]);
  });

  it('stays inside at an edge', () => {
    expect(boxAround({ x: 0, y: 0 }, IMAGE)).toEqual({ x1: 0, y1: 0, x2: 10, y2: 10 });
  });
});

it('a click draws no box', () => {
  expect(isMeant({ x1: 5, y1: 5, x2: 6, y2: 50 })).toBe(false);
  expect(isMeant(BOX)).toBe(true);
});
