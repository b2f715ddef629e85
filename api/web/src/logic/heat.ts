/** Heat maps as a layer over the image: the hotter, the brighter and the less transparent. */

import type { HeatMap, Report } from './wire';

/** A name for the heat map of a label that also fits other images. */
export const heatKey = (map: Pick<HeatMap, 'model' | 'label'>): string =>
  `${map.model}/${map.label}`;

/** The heat map of this name, or else that of the likeliest label; undefined where there is none. */
export function chosenMap(report: Report | null, key: string | null): HeatMap | undefined {
  const maps = report?.heatmaps ?? [];
  const named = maps.find((map) => heatKey(map) === key);
  if (named !== undefined) return named;
  const probability = (map: HeatMap) =>
    report?.classifications.find((one) => one.model === map.model)?.probabilities[map.label] ?? 0;
  return [...maps].sort((a, b) => probability(b) - probability(a))[0];
}

// Dark violet over red and orange to pale yellow: lightness rises all the way, so that people who
// see few colours can read it too.
const STOPS: readonly (readonly [number, number, number])[] = [
  [40, 11, 84],
  [120, 28, 109],
  [200, 50, 70],
  [237, 105, 37],
  [251, 180, 40],
  [252, 255, 164],
];

/** Colour and opacity (RGBA, 0 to 255) of a heat from 0 to 255. */
export function heatColour(heat: number): readonly [number, number, number, number] {
  const place = (heat / 255) * (STOPS.length - 1);
  const below = Math.min(Math.floor(place), STOPS.length - 2);
  const share = place - below;
  const mix = (channel: 0 | 1 | 2) =>
    Math.round(STOPS[below]![channel] * (1 - share) + STOPS[below + 1]![channel] * share);
  return [mix(0), mix(1), mix(2), heat];
}

/** The colours from no heat to the most, as a CSS gradient. */
export function heatGradient(): string {
  const colours = STOPS.map((_, at) => {
    const [red, green, blue, opacity] = heatColour((255 * at) / (STOPS.length - 1));
    return `rgb(${red} ${green} ${blue} / ${Math.round((100 * opacity) / 255)}%)`;
  });
  return `linear-gradient(to right, ${colours.join(', ')})`;
}

/** Recolours RGBA pixels of a grey picture in place. */
export function recolour(pixels: Uint8ClampedArray): void {
  const table = Array.from({ length: 256 }, (_, heat) => heatColour(heat));
  for (let at = 0; at < pixels.length; at += 4) {
    const colour = table[pixels[at]!]!;
    pixels.set(colour, at);
  }
}

export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
