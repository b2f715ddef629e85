import { expect, it } from 'vitest';
import { flagsAt } from '../src/logic/flags';
import { marksOf } from '../src/logic/marks';
import { NO_REVIEW } from '../src/logic/review';
import { FRACTURE, report } from './stand-ins';

const FUSED = {
  ...FRACTURE,
  fusion: {
    classifier: 'net',
    classifier_sha256: 'd2',
    label: 'fracture',
    image_high: 0.8,
    image_low: 0.1,
  },
};

function kinds(probability: number, score: number, fused = FUSED): string[] {
  const answer = report({
    flags: [
      { kind: 'box-without-image-finding', message: 'At the threshold asked for.', models: [] },
      { kind: 'out-of-distribution', message: 'Unlike.', models: [] },
    ],
    classifications: [
      {
        model: 'net',
        probabilities: { fracture: probability },
        raw_probabilities: {},
        thresholds: {},
        verdicts: {},
      },
    ],
  });
  const marks = marksOf(answer, [fused], { point: 'balanced', score }, NO_REVIEW);
  return flagsAt(answer, [fused], marks).map((flag) => flag.kind);
}

it.each([
  [0.9, 0.99, ['out-of-distribution', 'no-box']],
  [0.9, 0.01, ['out-of-distribution']],
  [0.05, 0.01, ['out-of-distribution', 'box-without-image-finding']],
  [0.05, 0.99, ['out-of-distribution']],
  [0.5, 0.99, ['out-of-distribution']],
])('image probability %f with boxes from %f', (probability, score, expected) => {
  expect(kinds(probability, score)).toEqual(expected);
});

it('a detector by itself contradicts nobody', () => {
  expect(kinds(0.9, 0.99, { ...FUSED, fusion: null } as never)).toEqual(['out-of-distribution']);
});
