import { describe, expect, it } from 'vitest';
import { commandOf, directionOf, type Focus } from '../src/logic/keys';

const press = (key: string, change = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...change,
});

describe('commandOf', () => {
  it.each([
    ['ArrowRight', 'next-image'],
    ['+', 'zoom-in'],
    ['=', 'zoom-in'],
    ['I', 'invert'],
    ['h', 'heat'],
    ['3', 'point-3'],
    ['k', 'previous-finding'],
    ['?', 'help'],
    ['Escape', 'leave'],
  ])('%s is %s', (key, command) => {
    expect(commandOf(press(key), 'other')).toBe(command);
  });

  it.each<[string, Focus, object]>([
    ['q', 'other', {}],
    ['a', 'text', {}],
    ['r', 'other', { ctrlKey: true }],
    ['i', 'other', { metaKey: true }],
    ['ArrowLeft', 'arrows', {}],
  ])('%s with focus on %s is left to the browser', (key, focus, change) => {
    expect(commandOf(press(key, change), focus)).toBeNull();
  });

  it('goes on while a slider has the focus', () => {
    expect(commandOf(press('i'), 'arrows')).toBe('invert');
  });
});

it('directionOf knows the arrows', () => {
  expect(directionOf('ArrowUp')).toEqual([0, -1]);
  expect(directionOf('a')).toBeNull();
});
