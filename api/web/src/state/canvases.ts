/** Canvases that hold a radiograph or a heat map. */

import { shaded, shades, type GreyImage, type GreyWindow } from '../logic/grey';
import { bytesOfBase64, recolour } from '../logic/heat';

/** Draws the image in a window onto a canvas, which it resizes to the image. */
export function paint(
  canvas: HTMLCanvasElement,
  image: GreyImage,
  window: GreyWindow,
  inverted: boolean,
): void {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    canvas.width = image.width;
    canvas.height = image.height;
  }
  const pixels = shaded(image, shades(window, inverted !== image.inverted));
  canvas.getContext('2d')!.putImageData(new ImageData(pixels, image.width, image.height), 0, 0);
}

/** A small picture as a data address, as the service would show it. */
export function thumbnailOf(image: GreyImage): string {
  const canvas = document.createElement('canvas');
  paint(canvas, image, image.window, false);
  return canvas.toDataURL('image/jpeg', 0.8);
}

/** A heat map in colours, the cold transparent. */
export async function heatCanvas(png: string): Promise<HTMLCanvasElement> {
  const bitmap = await createImageBitmap(new Blob([bytesOfBase64(png)], { type: 'image/png' }));
  const canvas = document.createElement('canvas');
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext('2d')!;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const data = context.getImageData(0, 0, canvas.width, canvas.height);
  recolour(data.data);
  context.putImageData(data, 0, 0);
  return canvas;
}
