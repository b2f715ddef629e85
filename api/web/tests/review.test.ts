import { describe, expect, it } from 'vitest';
import { labelmeDocument, renamed } from '../src/logic/labelme';
import { marksOf } from '../src/logic/marks';
import {
  changedAdded,
  countsOf,
  decided,
  feedbackOf,
  NO_REVIEW,
  replaced,
  restDecided,
  withAdded,
  withoutAdded,
} from '../src/logic/review';
import { BOX, FRACTURE, report } from './stand-ins';

const ELSEWHERE = { x1: 1, y1: 2, x2: 30, y2: 40 };

describe('decisions', () => {
  it('are taken back by the same word', () => {
    const once = decided(NO_REVIEW, 0, 'accept');
    expect(once.decisions[0]).toEqual({ action: 'accept' });
    expect(decided(once, 0, 'accept')).toEqual(NO_REVIEW);
  });

  it('give way to the other word', () => {
    const both = decided(decided(NO_REVIEW, 0, 'accept'), 0, 'reject');
    expect(both.decisions).toEqual({ 0: { action: 'reject' } });
  });

  it('put a moved box back when it is accepted again', () => {
    expect(decided(replaced(NO_REVIEW, 1, ELSEWHERE), 1, 'accept').decisions).toEqual({});
  });

  it('of the rest leave what is decided alone', () => {
    const review = restDecided(decided(NO_REVIEW, 1, 'reject'), [0, 1, 2], 'accept');
    expect(countsOf(review)).toEqual({ accept: 2, reject: 1, move: 0, add: 0 });
  });
});

it('added boxes keep their keys when others go', () => {
  const [one, first] = withAdded(NO_REVIEW, 'a', BOX);
  const [two, second] = withAdded(one, 'b', BOX);
  const [three, third] = withAdded(withoutAdded(two, first), 'c', BOX);
  expect(new Set([first, second, third]).size).toBe(3);
  expect(changedAdded(three, second, { label: 'z' }).added.map((box) => box.label)).toEqual([
    'z',
    'c',
  ]);
});

it('feedbackOf tells what was decided of which finding', () => {
  const review = withAdded(
    replaced(decided(decided(NO_REVIEW, 0, 'accept'), 2, 'reject'), 1, ELSEWHERE),
    'spur',
    ELSEWHERE,
  )[0];
  const feedback = feedbackOf(report(), { ...review, comment: ' thin line ' });
  expect(feedback).toMatchObject({
    report_id: 'abc',
    image: { sha256: 'f00', width: 200, height: 100, kind: 'png' },
    comment: 'thin line',
  });
  expect(feedback.boxes).toEqual([
    {
      action: 'accept',
      label: 'fractured',
      box: BOX,
      proposed: null,
      finding: 0,
      model: 'fracture',
      score: 0.7,
    },
    {
      action: 'move',
      label: 'fractured',
      box: ELSEWHERE,
      proposed: BOX,
      finding: 1,
      model: 'fracture',
      score: 0.4,
    },
    {
      action: 'reject',
      label: 'lesion',
      box: BOX,
      proposed: null,
      finding: 2,
      model: 'fracture',
      score: 0.45,
    },
    {
      action: 'add',
      label: 'spur',
      box: ELSEWHERE,
      proposed: null,
      finding: null,
      model: null,
      score: null,
    },
  ]);
});

describe('labelmeDocument', () => {
  const document = (review = NO_REVIEW) => {
    const marks = marksOf(report(), [FRACTURE], { point: 'balanced', score: null }, review);
    return labelmeDocument(report(), marks, 'hand.png') as {
      shapes: { label: string; points: number[][]; score?: number }[];
      flags: { reviewed: boolean };
      imageWidth: number;
    };
  };

  it('has the boxes that are shown, as proposals', () => {
    const { shapes, flags, imageWidth } = document();
    expect(shapes.map((shape) => [shape.label, shape.score])).toEqual([
      ['fractured', 0.7],
      ['fractured', 0.4],
    ]);
    expect(shapes[0]?.points).toEqual([
      [10, 20],
      [50, 80],
    ]);
    expect(flags.reviewed).toBe(false);
    expect(imageWidth).toBe(200);
  });

  it('leaves rejected boxes out and says that somebody looked', () => {
    const { shapes, flags } = document(decided(NO_REVIEW, 0, 'reject'));
    expect(shapes).toHaveLength(1);
    expect(flags.reviewed).toBe(true);
  });
});

it.each([
  ['hand.png', 'hand.json'],
  ['a.b.dcm', 'a.b.json'],
  ['IM0001', 'IM0001.json'],
  ['.png', 'radiograph.json'],
])('renamed %s is %s', (name, other) => {
  expect(renamed(name, '.json')).toBe(other);
});
