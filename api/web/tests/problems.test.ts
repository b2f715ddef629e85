import { describe, expect, it } from 'vitest';
import { isPassing, problemOf, sentence, ServiceError } from '../src/logic/problems';

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

it('only what passes is tried again unasked', () => {
  expect(isPassing(new ServiceError(503, 'overloaded', 'm'))).toBe(true);
  expect(isPassing(new ServiceError(422, 'unreadable_image', 'm'))).toBe(false);
  expect(isPassing(new Error('m'))).toBe(false);
});
