import { describe, expect, it } from 'vitest';
import {
  askedScore,
  boxThreshold,
  boxThresholds,
  firstPoint,
  isShown,
  pointsOf,
  thresholdsAt,
  tierOf,
  verdictsAt,
} from '../src/logic/thresholds';
import { FRACTURE, TB, found } from './stand-ins';

const MODELS = [FRACTURE, TB];
const BALANCED = { point: 'balanced', score: null };

describe('points', () => {
  it('come in the usual order, others after them', () => {
    const other = { ...TB, operating_points: { zeal: {}, balanced: {}, attic: {} } };
    expect(pointsOf([FRACTURE, other])).toEqual([
      'screening',
      'balanced',
      'specific',
      'attic',
      'zeal',
    ]);
  });

  it('begin with the default of a model that finds something', () => {
    const router = { ...TB, role: 'router', default_operating_point: 'other' };
    expect(firstPoint([router, { ...TB, default_operating_point: 'specific' }])).toBe('specific');
    expect(firstPoint([])).toBe('balanced');
  });
});

it.each([
  [[FRACTURE, TB], 0.01],
  [[{ ...FRACTURE, operating_points: { screening: { fractured: 0.002 } } }], 0.002],
  [[], 0.01],
])('askedScore misses no box of a point (%#)', (models, score) => {
  expect(askedScore(models)).toBe(score);
});

describe('thresholdsAt', () => {
  it('falls back to the default point', () => {
    expect(thresholdsAt(MODELS, 'tb', 'screening')).toEqual({ tb: 0.4, other: 0.4 });
  });

  it('means those of an ensemble', () => {
    const second = {
      ...FRACTURE,
      name: 'second',
      operating_points: { balanced: { fractured: 0.5, lesion: 0.7 } },
    };
    const means = thresholdsAt([FRACTURE, second], 'fracture + second', 'balanced');
    expect(means?.['fractured']).toBeCloseTo(0.4);
    expect(means?.['lesion']).toBeCloseTo(0.6);
  });

  it('knows nothing of others', () => {
    expect(thresholdsAt(MODELS, 'nobody', 'balanced')).toBeNull();
    expect(thresholdsAt(MODELS, 'fracture + nobody', 'balanced')).toBeNull();
  });
});

describe('boxes', () => {
  it.each([
    ['at the threshold of its class', found(0.3), BALANCED, true],
    ['below that of its class', found(0.49, 'lesion'), BALANCED, false],
    ['at the reader’s own threshold', found(0.42), { point: 'balanced', score: 0.42 }, true],
    ['below the reader’s own', found(0.41, 'lesion'), { point: 'screening', score: 0.42 }, false],
    ['of an unknown model, by the answer', found(0.02, 'a', 'b'), BALANCED, true],
  ])('%s', (_, box, setting, shown) => {
    expect(isShown(box, MODELS, setting)).toBe(shown);
  });

  it.each([
    [0.6, 'fractured', 'sure'],
    [0.59, 'fractured', 'doubtful'],
    [0.6, 'lesion', 'doubtful'],
  ])('of score %f as %s is %s', (score, label, tier) => {
    expect(tierOf(found(score, label), MODELS)).toBe(tier);
  });

  it('keep the tier of the answer where the model is unknown', () => {
    expect(tierOf({ ...found(0.1, 'a', 'b'), tier: 'sure' }, MODELS)).toBe('sure');
  });

  it('have a threshold a label and model', () => {
    expect(boxThresholds(['fracture'], MODELS, BALANCED)).toEqual([
      { model: 'fracture', label: 'fractured', threshold: 0.3 },
      { model: 'fracture', label: 'lesion', threshold: 0.5 },
    ]);
    expect(boxThreshold(found(0.5), MODELS, BALANCED)).toBe(0.3);
  });
});

describe('verdictsAt', () => {
  const answer = {
    model: 'tb',
    probabilities: { tb: 0.6, other: 0.5 },
    raw_probabilities: {},
    thresholds: { tb: 0.99, other: 0.99 },
    verdicts: {},
  };
  const positive = (models: typeof MODELS, point: string) =>
    verdictsAt(answer, models, point).map((verdict) => verdict.positive);

  it('applies the thresholds of the point, not those of the answer', () => {
    expect(positive(MODELS, 'balanced')).toEqual([true, true]);
    expect(positive(MODELS, 'specific')).toEqual([false, false]);
  });

  it('lets one label hold where they exclude each other', () => {
    expect(positive([{ ...TB, exclusive: true }], 'balanced')).toEqual([true, false]);
  });

  it('takes those of the answer where the model is unknown', () => {
    expect(positive([], 'balanced')).toEqual([false, false]);
  });
});
