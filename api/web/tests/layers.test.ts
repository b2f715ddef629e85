import { describe, expect, it } from 'vitest';
import { captionPlaces } from '../src/logic/captions';
import { choosableLabels, colourOf, detectorLabels } from '../src/logic/colours';
import { bytesOfBase64, chosenMap, heatColour, heatGradient, recolour } from '../src/logic/heat';
import { FRACTURE, TB, report } from './stand-ins';

describe('captions', () => {
  const screen = { width: 400, height: 400 };
  const box = { x: 100, y: 100, width: 50, height: 50 };
  const caption = (key: string, change = {}) => ({
    key,
    text: 'abc',
    box,
    always: false,
    ...change,
  });

  it('stand above their box, below it at the upper edge', () => {
    const places = captionPlaces(
      [caption('a'), caption('b', { box: { ...box, x: 300, y: 5 } })],
      screen,
    );
    expect(places.get('a')).toMatchObject({ x: 100, y: 82 });
    expect(places.get('b')).toMatchObject({ y: 55 });
  });

  it('make room for each other, and the last go without', () => {
    const many = ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => caption(key));
    const places = [...captionPlaces(many, screen).values()];
    expect(places.length).toBeGreaterThan(1);
    expect(places.length).toBeLessThan(6);
    expect(new Set(places.map((place) => place.y)).size).toBe(places.length);
  });

  it('of the selected box are always there', () => {
    const many = ['a', 'b', 'c', 'd', 'e'].map((key) => caption(key, { always: key === 'e' }));
    expect(captionPlaces(many, screen).has('e')).toBe(true);
  });

  it('stay on the screen', () => {
    const places = captionPlaces([caption('a', { box: { ...box, x: 390 } })], screen);
    expect(places.get('a')!.x + places.get('a')!.width).toBeLessThanOrEqual(400);
  });
});

describe('colours', () => {
  it('differ between labels and stay with them', () => {
    const labels = detectorLabels([FRACTURE, TB]);
    expect(labels).toEqual(['fractured', 'lesion']);
    expect(colourOf('lesion', labels)).not.toBe(colourOf('fractured', labels));
    expect(colourOf('own', labels)).not.toBe(colourOf('lesion', labels));
  });

  it('labels of classifiers can be given, those of routers not', () => {
    const router = { ...TB, role: 'router', class_names: ['chest'] };
    expect(choosableLabels([FRACTURE, TB, router])).toEqual(['fractured', 'lesion', 'tb', 'other']);
  });
});

describe('heat', () => {
  it('is clear where it is cold and opaque where it is hot', () => {
    expect(heatColour(0)[3]).toBe(0);
    expect(heatColour(255)).toEqual([252, 255, 164, 255]);
  });

  it('gets lighter all the way', () => {
    const light = Array.from({ length: 256 }, (_, heat) => {
      const [red, green, blue] = heatColour(heat);
      return 0.3 * red + 0.59 * green + 0.11 * blue;
    });
    expect(light.every((value, at) => at === 0 || value >= light[at - 1]! - 0.5)).toBe(true);
  });

  it('has a legend from clear to the hottest colour', () => {
    expect(heatGradient()).toMatch(/^linear-gradient\(to right, rgb\([^)]* \/ 0%\), .*100%\)\)$/);
  });

  it('recolours grey pixels in place', () => {
    const pixels = new Uint8ClampedArray([255, 255, 255, 255, 0, 0, 0, 255]);
    recolour(pixels);
    expect([...pixels].slice(0, 4)).toEqual([252, 255, 164, 255]);
    expect(pixels[7]).toBe(0);
  });

  it('is of the likeliest label, or of the one that was chosen', () => {
    const map = (label: string) => ({ model: 'tb', label, png: '', any_heat: true });
    const answer = report({
      heatmaps: [map('tb'), map('other')],
      classifications: [
        {
          model: 'tb',
          probabilities: { tb: 0.1, other: 0.9 },
          raw_probabilities: {},
          thresholds: {},
          verdicts: {},
        },
      ],
    });
    expect(chosenMap(answer, null)?.label).toBe('other');
    expect(chosenMap(answer, 'tb/tb')?.label).toBe('tb');
    expect(chosenMap(report(), 'tb/tb')).toBeUndefined();
  });

  it('comes as base64', () => {
    expect([...bytesOfBase64('iVBO')]).toEqual([0x89, 0x50, 0x4e]);
  });
});
