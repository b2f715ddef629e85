import { describe, expect, it } from 'vitest';
import {
  NO_STUDIES,
  selectedStudy,
  studiesAfter,
  type Event,
  type Studies,
} from '../src/state/studies';
import { withAdded, NO_REVIEW } from '../src/logic/review';
import { BOX } from './stand-ins';

const files = ['a.png', 'b.png', 'c.png'].map((name) => new File(['x'], name));
const after = (...events: Event[]): Studies => events.reduce(studiesAfter, NO_STUDIES);
const three: Event = { type: 'added', files };
const problem = { title: 't', text: 't', remedy: 'key', frames: null } as const;

it('added images wait, the first of them selected', () => {
  const studies = after(three, { type: 'added', files: files.slice(0, 1) });
  expect(studies.all.map((study) => study.id)).toEqual([1, 2, 3, 4]);
  expect(studies.all.every((study) => study.stage === 'waiting')).toBe(true);
  expect(selectedStudy(studies)?.id).toBe(4);
});

describe('steps', () => {
  it.each<[(1 | -1)[], number]>([
    [[1], 2],
    [[1, 1, 1], 3],
    [[-1], 1],
  ])('%j end at %i', (steps, id) => {
    const studies = after(three, ...steps.map((by): Event => ({ type: 'stepped', by })));
    expect(studies.selected).toBe(id);
  });
});

it.each<[number, number, number]>([
  [2, 2, 3],
  [3, 3, 2],
  [1, 2, 2],
])('with %i selected, removing %i selects %i', (selected, id, heir) => {
  // The first case removes the selected one: the next takes its place.
  const studies = after(three, { type: 'selected', id: selected }, { type: 'removed', id });
  expect(studies.selected).toBe(selected === id ? heir : selected);
  expect(studies.all).toHaveLength(2);
});

it('nothing is selected once all are gone', () => {
  const one: Event = { type: 'added', files: files.slice(0, 1) };
  expect(selectedStudy(after(one, { type: 'removed', id: 1 }))).toBeNull();
});

it('who asks again starts afresh, with what was asked', () => {
  const review = withAdded(NO_REVIEW, 'a', BOX)[0];
  const asked = { kind: 'bone', frame: 2 } as const;
  const studies = after(
    three,
    { type: 'failed', id: 1, problem },
    { type: 'reviewed', id: 1, review },
    { type: 'asked-again', id: 1, asked },
  );
  expect(studies.all[0]).toMatchObject({
    stage: 'waiting',
    asked,
    problem: null,
    review: NO_REVIEW,
  });
});

it('a key lets wait again what failed for want of it, and nothing else', () => {
  const studies = after(
    three,
    { type: 'failed', id: 1, problem },
    { type: 'failed', id: 2, problem: { ...problem, remedy: null } },
    { type: 'key-given' },
  );
  expect(studies.all.map((study) => study.stage)).toEqual(['waiting', 'failed', 'waiting']);
});

it('a review that changes after it was sent can be sent again', () => {
  const studies = after(
    three,
    { type: 'sending', id: 1, sending: { stage: 'sent', id: 'x' } },
    { type: 'reviewed', id: 1, review: NO_REVIEW },
  );
  expect(studies.all[0]?.sending).toEqual({ stage: 'not-sent' });
});
