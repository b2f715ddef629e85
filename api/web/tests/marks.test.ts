import { describe, expect, it } from 'vitest';
import { marksOf, neighbour, scoreText, summaryOf } from '../src/logic/marks';
import { decided, NO_REVIEW, replaced, withAdded } from '../src/logic/review';
import { BOX, FRACTURE, report } from './stand-ins';

const at = (point: string, review = NO_REVIEW) =>
  marksOf(report(), [FRACTURE], { point, score: null }, review);

describe('marksOf', () => {
  it.each([
    ['screening', ['finding0', 'finding1', 'finding2']],
    ['balanced', ['finding0', 'finding1']],
    ['specific', ['finding0']],
  ])('at %s', (point, keys) => {
    expect(at(point).map((mark) => mark.key)).toEqual(keys);
  });

  it('keeps what was decided, whatever its score', () => {
    const review = decided(NO_REVIEW, 2, 'reject');
    expect(at('specific', review).map((mark) => mark.decision)).toEqual([null, 'reject']);
  });

  it('shows a moved box at its new place', () => {
    const box = { ...BOX, x1: 0 };
    expect(at('specific', replaced(NO_REVIEW, 0, box))[0]?.box).toEqual(box);
  });

  it('puts added boxes last, without a score', () => {
    const [review, key] = withAdded(NO_REVIEW, 'lesion', BOX);
    expect(at('balanced', review).at(-1)).toMatchObject({ key, score: null, finding: null });
  });
});

it.each([
  [null, 1, 'finding0'],
  [null, -1, 'finding1'],
  ['finding0', 1, 'finding1'],
  ['finding1', 1, 'finding0'],
  ['gone', -1, 'finding1'],
] as const)('neighbour of %s, %i on, is %s', (key, step, next) => {
  expect(neighbour(at('balanced'), key, step)).toBe(next);
});

it('neighbour of no marks is none', () => {
  expect(neighbour([], 'finding0', 1)).toBeNull();
});

it('summaryOf counts what models found, not what a reader drew', () => {
  expect(summaryOf(at('balanced'))).toBe('2 findings: 1 sure, 1 doubtful');
  expect(summaryOf(at('specific'))).toBe('1 finding: 1 sure, 0 doubtful');
  expect(summaryOf(at('specific', withAdded(NO_REVIEW, 'a', BOX)[0]))).toContain('1 finding:');
  expect(summaryOf([])).toBe('No findings at this threshold');
});

it.each([
  [0, '0.00'],
  [0.004, '< 0.01'],
  [0.005, '0.01'],
  [0.996, '> 0.99'],
  [1, '1.00'],
])('score %f is written %s', (value, text) => {
  expect(scoreText(value)).toBe(text);
});
