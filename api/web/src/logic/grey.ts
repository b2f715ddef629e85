/** Grey values as stored, and the window in which they are shown. */

/** Values at or below `low` are black, at or above `high` white. */
export interface GreyWindow {
  readonly low: number;
  readonly high: number;
}

/** The answer of `/v1/pixels`: perhaps smaller than the stored image, whose pixels boxes are in. */
export interface GreyImage {
  readonly values: Uint16Array;
  readonly width: number;
  readonly height: number;
  readonly stored: { readonly width: number; readonly height: number };
  readonly bits: number;
  readonly window: GreyWindow;
  /** Low values are bright (MONOCHROME1). */
  readonly inverted: boolean;
}

const SHADES = 65536;

/** Reads body and headers of `/v1/pixels`. Throws where they contradict each other. */
export function readGreyImage(body: ArrayBuffer, headers: Headers): GreyImage {
  const number = (name: string): number => {
    const text = headers.get(`Lucency-${name}`);
    const value = text === null || text.trim() === '' ? NaN : Number(text);
    if (!Number.isFinite(value))
      throw new Error(`pixels: Lucency-${name} is missing in the answer`);
    return value;
  };
  const width = number('Width');
  const height = number('Height');
  if (body.byteLength !== 2 * width * height) {
    throw new Error(
      `pixels: ${width} × ${height} need ${2 * width * height} bytes, got ${body.byteLength}`,
    );
  }
  return {
    values: new Uint16Array(body),
    width,
    height,
    stored: { width: number('Stored-Width'), height: number('Stored-Height') },
    bits: number('Bits'),
    window: { low: number('Window-Low'), high: number('Window-High') },
    inverted: number('Inverted') === 1,
  };
}

/** For each stored value its pixel, as canvases hold them in memory (little-endian RGBA). */
export function shades(window: GreyWindow, inverted: boolean): Uint32Array {
  const table = new Uint32Array(SHADES);
  const width = Math.max(window.high - window.low, Number.EPSILON);
  for (let value = 0; value < SHADES; value++) {
    const share = Math.min(Math.max((value - window.low) / width, 0), 1);
    const grey = Math.round(255 * (inverted ? 1 - share : share));
    table[value] = (0xff000000 | (grey << 16) | (grey << 8) | grey) >>> 0;
  }
  return table;
}

/** Every pixel of the image through the table of shades. */
export function shaded(image: GreyImage, table: Uint32Array): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint32Array(image.values.length);
  for (let index = 0; index < pixels.length; index++) {
    pixels[index] = table[image.values[index]!]!;
  }
  return new Uint8ClampedArray(pixels.buffer);
}

/** The window after dragging: to the right wider, downwards darker; 400 px are the first width. */
export function draggedWindow(
  start: GreyWindow,
  dx: number,
  dy: number,
  first: GreyWindow,
): GreyWindow {
  const step = Math.max(first.high - first.low, 1) / 400;
  const width = Math.max(start.high - start.low + dx * step, step);
  const middle = (start.low + start.high) / 2 + dy * step;
  return { low: middle - width / 2, high: middle + width / 2 };
}

/** Window and level, as radiologists read them. */
export function windowText(window: GreyWindow): string {
  const width = Math.round(window.high - window.low);
  return `W ${width} L ${Math.round((window.low + window.high) / 2)}`;
}

/** The stored value at a point of the stored image, or null outside. */
export function valueAt(image: GreyImage, x: number, y: number): number | null {
  const { stored } = image;
  if (x < 0 || y < 0 || x >= stored.width || y >= stored.height) return null;
  const column = Math.floor((x * image.width) / stored.width);
  const row = Math.floor((y * image.height) / stored.height);
  return image.values[row * image.width + column] ?? null;
}
