/** The picture with its boxes, as it is saved: in the resolution of the pixels. */

import { captionPlaces, type Place } from './captions';
import { colourOf } from './colours';
import { heightOf, widthOf, type Size } from './geometry';
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

/** The picture is drawn on a sheet whose longer side has so many units, whatever its pixels are. */
const SHEET = 1000;
const LINE = 24;

/** Draws all layers and a line with the research-use sentence below; gives a PNG. */
export async function drawnPicture(layers: Layers): Promise<Blob> {
  const { source } = layers;
  const longest = Math.max(source.width, source.height);
  // Small images are enlarged, so that captions can be read.
  const zoom = Math.max(SHEET / longest, 1);
  const unit = (longest * zoom) / SHEET;
  const size = { width: (source.width * zoom) / unit, height: (source.height * zoom) / unit };
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(size.width * unit);
  canvas.height = Math.round((size.height + LINE) * unit);
  const context = canvas.getContext('2d')!;
  context.scale(unit, unit);
  context.fillStyle = '#000';
  context.fillRect(0, 0, size.width, size.height + LINE);
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, 0, 0, size.width, size.height);
  if (layers.heat !== null) {
    context.globalAlpha = layers.opacity;
    context.drawImage(layers.heat, 0, 0, size.width, size.height);
    context.globalAlpha = 1;
  }
  drawMarks(context, layers, size);
  context.fillStyle = '#d6dbe0';
  context.font = '13px system-ui, sans-serif';
  context.fillText(layers.notice, 8, size.height + LINE / 2, size.width - 16);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'));
  if (blob === null) throw new Error('picture: the browser could not make a PNG of this size');
  return blob;
}

function drawMarks(context: CanvasRenderingContext2D, layers: Layers, size: Size): void {
  const scale = size.width / layers.storedWidth;
  const marks = layers.marks.filter((mark) => mark.decision !== 'reject');
  const captions = marks.map((mark) => ({
    key: mark.key,
    text: captionOf(mark),
    box: {
      x: mark.box.x1 * scale,
      y: mark.box.y1 * scale,
      width: widthOf(mark.box) * scale,
      height: heightOf(mark.box) * scale,
    },
    always: true,
  }));
  const places = captionPlaces(captions, size);
  const colours = marks.map((mark) => colourOf(mark.label, layers.labels));
  for (const [index, { box }] of captions.entries()) {
    drawOutline(context, box, colours[index]!, marks[index]!.tier === 'doubtful');
  }
  context.font = '600 12px system-ui, sans-serif';
  context.textBaseline = 'middle';
  for (const [index, { key, text }] of captions.entries()) {
    const place = places.get(key)!;
    context.fillStyle = 'rgba(0, 0, 0, 0.78)';
    context.fillRect(place.x, place.y, place.width, place.height);
    context.fillStyle = colours[index]!;
    context.fillText(text, place.x + 5, place.y + place.height / 2);
  }
}

function drawOutline(
  context: CanvasRenderingContext2D,
  box: Place,
  colour: string,
  dotted: boolean,
): void {
  context.lineCap = 'round';
  context.setLineDash([]);
  context.strokeStyle = 'rgba(0, 0, 0, 0.65)';
  context.lineWidth = 5;
  context.strokeRect(box.x, box.y, box.width, box.height);
  if (dotted) context.setLineDash([0.1, 6]);
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  context.strokeRect(box.x, box.y, box.width, box.height);
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
