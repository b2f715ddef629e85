import { describe, expect, it } from 'vitest';
import { firstSentence, isPassing, problemOf, sentence, ServiceError } from '../src/logic/problems';

describe('problemOf', () => {
  it('lets a reader say what the image is', () => {
    const message = 'image: was taken for something else (0.86); to analyse it, say kind';
    const error = new ServiceError(422, 'unsuitable_image', message, 'no-radiograph');
    expect(problemOf(error)).toMatchObject({
      remedy: 'kind',
      text: 'The image was taken for something else (0.86).',
    });
  });

  it('asks for the frame and knows how many there are', () => {
    const message = 'image: has 12 frames; name one of them as frame=1 to frame=12';
    const error = new ServiceError(422, 'unreadable_image', message, 'several-frames');
    expect(problemOf(error)).toMatchObject({ remedy: 'frame', frames: 12 });
  });

  it.each([
    [401, 'unauthorised', 'key'],
    [401, 'unknown', 'key'],
    [503, 'overloaded', 'retry'],
    [500, 'internal', 'retry'],
    [0, 'no_answer', 'retry'],
    [422, 'unreadable_image', null],
    [418, 'unknown', null],
  ])('status %i, %s: %s', (status, code, remedy) => {
    expect(problemOf(new ServiceError(status, code, 'm')).remedy).toBe(remedy);
  });

  it.each([401, 500, 502])('status %i is told to people, not to programs', (status) => {
    const message = 'Give a valid API key in the header X-API-Key.';
    const problem = problemOf(new ServiceError(status, 'unknown', message));
    expect(problem.title).toMatch(/^The service (asks|failed|cannot be reached)/);
    if (status !== 502) expect(problem.text).not.toContain('X-API-Key');
  });

  it('takes errors of the page itself', () => {
    expect(problemOf(new Error('pixels: missing'))).toMatchObject({ text: 'Pixels: missing.' });
    expect(problemOf('odd').text).toBe('Odd.');
  });
});

it.each([
  ['image: is truncated', 'The image is truncated.'],
  ['image: 9 × 9 pixels are too many', '9 × 9 pixels are too many.'],
  ['The file has no bytes.', 'The file has no bytes.'],
])('%s reads %s', (message, text) => {
  expect(sentence(message)).toBe(text);
});

it.each([
  ['For adults of 2.5 hospitals. Not for children.', 'For adults of 2.5 hospitals.'],
  ['For hands', 'For hands'],
])('of %j the first sentence is %j', (text, first) => {
  expect(firstSentence(text)).toBe(first);
});

it('only what passes is tried again unasked', () => {
  expect(isPassing(new ServiceError(503, 'overloaded', 'm'))).toBe(true);
  expect(isPassing(new ServiceError(422, 'unreadable_image', 'm'))).toBe(false);
  expect(isPassing(new Error('m'))).toBe(false);
});
