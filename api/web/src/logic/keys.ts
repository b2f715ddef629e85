/** What keys do. The help dialog and docs/viewer.md list the same. */

export type Command =
  | 'next-image'
  | 'previous-image'
  | 'next-finding'
  | 'previous-finding'
  | 'zoom-in'
  | 'zoom-out'
  | 'fit'
  | 'actual-size'
  | 'reset'
  | 'invert'
  | 'heat'
  | 'window-tool'
  | 'lower'
  | 'higher'
  | 'accept'
  | 'reject'
  | 'move'
  | 'new-box'
  | 'remove'
  | 'help'
  | 'leave'
  | 'point-1'
  | 'point-2'
  | 'point-3';

const COMMANDS: Readonly<Record<string, Command>> = {
  ArrowRight: 'next-image',
  ArrowDown: 'next-image',
  ArrowLeft: 'previous-image',
  ArrowUp: 'previous-image',
  j: 'next-finding',
  k: 'previous-finding',
  '+': 'zoom-in',
  '=': 'zoom-in',
  '-': 'zoom-out',
  f: 'fit',
  p: 'actual-size',
  '0': 'reset',
  i: 'invert',
  h: 'heat',
  w: 'window-tool',
  '[': 'lower',
  ']': 'higher',
  a: 'accept',
  r: 'reject',
  m: 'move',
  n: 'new-box',
  Delete: 'remove',
  Backspace: 'remove',
  '?': 'help',
  Escape: 'leave',
  '1': 'point-1',
  '2': 'point-2',
  '3': 'point-3',
};

/** For the help dialog: keys and what they do, in groups. */
export const KEY_HELP: readonly { title: string; keys: readonly [string, string][] }[] = [
  {
    title: 'Images and findings',
    keys: [
      ['← →', 'previous, next image'],
      ['j k', 'next, previous finding'],
      ['1 2 3', 'screening, balanced, specific'],
      ['[ ]', 'lower, raise the threshold'],
    ],
  },
  {
    title: 'Picture',
    keys: [
      ['+ −', 'zoom in, out'],
      ['f', 'fit into the window'],
      ['p', 'one pixel to one pixel'],
      ['w', 'window and level with the left button'],
      ['i', 'invert'],
      ['h', 'heat map'],
      ['0', 'reset zoom, window and inversion'],
    ],
  },
  {
    title: 'Review',
    keys: [
      ['a', 'accept the finding'],
      ['r', 'reject it'],
      ['m', 'move it: arrows, with Shift to resize'],
      ['n', 'draw a new box; Enter puts one in the middle'],
      ['Delete', 'remove a box of yours'],
      ['Esc', 'leave what you were doing'],
    ],
  },
];

export interface Press {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

/** Where the focus is: in a text field, on a control that has its own arrow keys, or elsewhere. */
export type Focus = 'text' | 'arrows' | 'other';

/** The command of a key press, null where it belongs to the browser or to the focused control. */
export function commandOf(press: Press, focus: Focus): Command | null {
  if (press.ctrlKey || press.metaKey || press.altKey || focus === 'text') return null;
  if (focus === 'arrows' && press.key.startsWith('Arrow')) return null;
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  return COMMANDS[key] ?? null;
}

const PULLS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowDown: [0, 1],
  ArrowUp: [0, -1],
};

/** The direction of an arrow key as (dx, dy), null for another key. */
export function directionOf(key: string): readonly [number, number] | null {
  return PULLS[key] ?? null;
}
