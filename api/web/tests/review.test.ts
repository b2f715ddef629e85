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
import { BOX, found, FRACTURE, report } from './stand-ins';

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

interface Document {
  shapes: { label: string; points: number[][]; score?: number; source?: string }[];
  flags: { reviewed: boolean };
  imageWidth: number;
  lucency: { prelabelled_by: string; proposed: { label: string; box: number[]; score: number }[] };
}

describe('labelmeDocument', () => {
  const labelme = (review = NO_REVIEW, answer = report(), score: number | null = null) => {
    const marks = marksOf(answer, [FRACTURE], { point: 'balanced', score }, review);
    return labelmeDocument(answer, marks, review, 'hand.png') as Document;
  };
  const corners = (document: Document) => document.shapes.map((shape) => shape.points.flat());
  const boxes = (document: Document) => document.lucency.proposed.map((one) => one.box);

  it('has the boxes that are shown, as proposals of the models that made them', () => {
    const { shapes, flags, imageWidth, lucency } = labelme();
    expect(shapes.map((shape) => [shape.label, shape.score, shape.source])).toEqual([
      ['fractured', 0.7, 'fracture d1'],
      ['fractured', 0.4, 'fracture d1'],
    ]);
    expect(shapes[0]?.points).toEqual([
      [10, 20],
      [50, 80],
    ]);
    expect(flags.reviewed).toBe(false);
    expect(imageWidth).toBe(200);
    expect(lucency).toEqual({
      prelabelled_by: 'fracture d1',
      proposed: [
        { label: 'fractured', box: [10, 20, 50, 80], score: 0.7 },
        { label: 'fractured', box: [10, 20, 50, 80], score: 0.4 },
      ],
    });
  });

  it.each([
    ['nothing is judged', NO_REVIEW],
    ['one is accepted', decided(NO_REVIEW, 0, 'accept')],
    ['one is rejected', decided(NO_REVIEW, 0, 'reject')],
    ['one is moved', replaced(NO_REVIEW, 0, ELSEWHERE)],
    ['one is added', withAdded(NO_REVIEW, 'spur', ELSEWHERE)[0]],
    ['one has no label', withAdded(restDecided(NO_REVIEW, [0, 1], 'accept'), ' ', ELSEWHERE)[0]],
    ['all are rejected and no more said', restDecided(NO_REVIEW, [0, 1], 'reject')],
  ])('counts for nothing where %s', (_, review) => {
    const document = labelme(review);
    expect(document.flags.reviewed).toBe(false);
    expect(boxes(document)).toEqual(corners(document));
    expect(document.shapes.every((shape) => shape.label.trim() !== '')).toBe(true);
  });

  it('tells the corrections once every box is judged', () => {
    const review = replaced(decided(NO_REVIEW, 0, 'reject'), 1, ELSEWHERE);
    const document = labelme(withAdded(review, 'spur', ELSEWHERE)[0]);
    expect(document.flags.reviewed).toBe(true);
    expect(document.shapes.map((shape) => shape.label)).toEqual(['fractured', 'spur']);
    expect(corners(document)[0]).toEqual([1, 2, 30, 40]);
    expect(document.shapes[1]).not.toHaveProperty('source');
    expect(boxes(document)).toEqual([
      [10, 20, 50, 80],
      [10, 20, 50, 80],
    ]);
  });

  it.each([
    [false, false],
    [true, true],
  ])('with no box and nothing to mark %s is reviewed %s', (nothing, reviewed) => {
    const document = labelme({ ...NO_REVIEW, nothing }, report(), 0.99);
    expect(document.flags.reviewed).toBe(reviewed);
    expect(document.lucency).toEqual({ prelabelled_by: 'fracture d1', proposed: [] });
  });

  it('rounds both alike and leaves out what is too thin to be kept', () => {
    const exact = { ...found(0.123456), box: { x1: 1.2345, y1: 2, x2: 9.8765, y2: 8 } };
    const thin = { ...found(0.9), box: { x1: 1, y1: 2, x2: 1.5, y2: 8 } };
    const document = labelme(NO_REVIEW, report({ findings: [exact, thin] }), 0.1);
    expect(corners(document)).toEqual([[1.23, 2, 9.88, 8]]);
    expect(boxes(document)).toEqual(corners(document));
    expect(document.shapes[0]?.score).toBe(0.1235);
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
