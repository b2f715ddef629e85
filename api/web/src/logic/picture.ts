/** The picture with its boxes, as it is saved: in the resolution of the pixels. */

import { colourOf } from './colours';
import { heightOf, widthOf } from './geometry';
import { captionOf, type Mark } from './marks';

export interface Layers {
  readonly source: HTMLCanvasElement;
  readonly heat: HTMLCanvasElement | null;
  readonly opacity: number;
  /** Width of the stored image, in whose pixels the marks are. */
  readonly storedWidth: number;
  readonly marks: readonly Mark[];
  readonly labels: readonly string[];
  readonly notice: string;
}

/** Draws all layers and a line with the research-use sentence below; gives a PNG. */
export async function drawnPicture(layers: Layers): Promise<Blob> {
  const { source } = layers;
  const unit = Math.max(Math.max(source.width, source.height) / 1000, 0.5);
  const canvas = document.createElement('canvas');
  canvas.width = source.width;
  canvas.height = source.height + Math.round(24 * unit);
  const context = canvas.getContext('2d')!;
  context.fillStyle = '#000';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0);
  if (layers.heat !== null) {
    context.globalAlpha = layers.opacity;
    context.drawImage(layers.heat, 0, 0, source.width, source.height);
    context.globalAlpha = 1;
  }
  context.font = `${13 * unit}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  for (const mark of layers.marks) {
    if (mark.decision !== 'reject') drawMark(context, mark, layers, unit);
  }
  context.fillStyle = '#d6dbe0';
  context.fillText(layers.notice, 8 * unit, source.height + 12 * unit, canvas.width - 16 * unit);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
  if (blob === null) throw new Error('picture: the browser could not make a PNG of this size');
  return blob;
}

function drawMark(
  context: CanvasRenderingContext2D,
  mark: Mark,
  layers: Layers,
  unit: number,
): void {
  const scale = layers.source.width / layers.storedWidth;
  const { x1, y1 } = mark.box;
  const [left, top] = [x1 * scale, y1 * scale];
  const [width, height] = [widthOf(mark.box) * scale, heightOf(mark.box) * scale];
  context.lineCap = 'round';
  context.setLineDash([]);
  context.strokeStyle = 'rgba(0, 0, 0, 0.65)';
  context.lineWidth = 5 * unit;
  context.strokeRect(left, top, width, height);
  const colour = colourOf(mark.label, layers.labels);
  context.strokeStyle = colour;
  context.lineWidth = 2.5 * unit;
  if (mark.tier === 'doubtful') context.setLineDash([0.1, 6 * unit]);
  context.strokeRect(left, top, width, height);
  const text = captionOf(mark);
  const wide = context.measureText(text).width + 10 * unit;
  const high = 19 * unit;
  const at = top >= high ? top - high : Math.min(top + height, layers.source.height - high);
  const x = Math.max(0, Math.min(left, layers.source.width - wide));
  context.fillStyle = 'rgba(0, 0, 0, 0.72)';
  context.fillRect(x, at, wide, high);
  context.fillStyle = colour;
  context.fillText(text, x + 5 * unit, at + high / 2);
}

/** Lets the browser save a file. */
export function save(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
