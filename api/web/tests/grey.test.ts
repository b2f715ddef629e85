import { describe, expect, it } from 'vitest';
import {
  draggedWindow,
  readGreyImage,
  shaded,
  shades,
  valueAt,
  windowText,
} from '../src/logic/grey';

const HEADERS = {
  'Lucency-Width': '2',
  'Lucency-Height': '2',
  'Lucency-Stored-Width': '4',
  'Lucency-Stored-Height': '4',
  'Lucency-Bits': '12',
  'Lucency-Window-Low': '100',
  'Lucency-Window-High': '300',
  'Lucency-Inverted': '0',
};
const BODY = new Uint16Array([0, 100, 200, 4095]).buffer;

describe('readGreyImage', () => {
  it('reads values, sizes and window', () => {
    const image = readGreyImage(BODY, new Headers(HEADERS));
    expect([...image.values]).toEqual([0, 100, 200, 4095]);
    expect(image.stored).toEqual({ width: 4, height: 4 });
    expect(image.window).toEqual({ low: 100, high: 300 });
    expect(image.inverted).toBe(false);
  });

  it('refuses a body of another size', () => {
    expect(() => readGreyImage(BODY.slice(2), new Headers(HEADERS))).toThrow('got 6');
  });

  it('refuses headers that are missing', () => {
    const { 'Lucency-Bits': _, ...others } = HEADERS;
    expect(() => readGreyImage(BODY, new Headers(others))).toThrow('Lucency-Bits');
  });
});

describe('shades', () => {
  const grey = (pixel: number | undefined) => pixel! & 0xff;

  it('is black up to the low end, white from the high end, linear between', () => {
    const table = shades({ low: 100, high: 300 }, false);
    expect([0, 100, 200, 300, 65535].map((value) => grey(table[value]))).toEqual([
      0, 0, 128, 255, 255,
    ]);
  });

  it('is opaque and the same in all channels', () => {
    expect(shades({ low: 0, high: 2 }, false)[1]).toBe(0xff808080);
  });

  it('is turned round where low values are bright', () => {
    const table = shades({ low: 100, high: 300 }, true);
    expect([0, 300].map((value) => grey(table[value]))).toEqual([255, 0]);
  });

  it('cuts hard where the window has no width', () => {
    const table = shades({ low: 5, high: 5 }, false);
    expect([5, 6].map((value) => grey(table[value]))).toEqual([0, 255]);
  });
});

it('shaded gives every pixel its shade', () => {
  const image = readGreyImage(BODY, new Headers(HEADERS));
  const pixels = shaded(image, shades(image.window, false));
  expect([...pixels].filter((_, at) => at % 4 === 0)).toEqual([0, 0, 128, 255]);
});

describe('draggedWindow', () => {
  const first = { low: 0, high: 400 };

  it('widens to the right about the same middle', () => {
    expect(draggedWindow(first, 100, 0, first)).toEqual({ low: -50, high: 450 });
  });

  it('raises the level, and so darkens, downwards', () => {
    expect(draggedWindow(first, 0, 10, first)).toEqual({ low: 10, high: 410 });
  });

  it('never turns over', () => {
    const narrow = draggedWindow(first, -10_000, 0, first);
    expect(narrow.high).toBeGreaterThan(narrow.low);
  });
});

it('windowText is what radiologists read', () => {
  expect(windowText({ low: 100, high: 300 })).toBe('W 200 L 200');
});

it('valueAt maps places of the stored image, and knows its edges', () => {
  const image = readGreyImage(BODY, new Headers(HEADERS));
  expect(valueAt(image, 3.9, 3.9)).toBe(4095);
  expect(valueAt(image, 0, 0)).toBe(0);
  expect(valueAt(image, 4, 0)).toBeNull();
  expect(valueAt(image, 0, -0.1)).toBeNull();
});
