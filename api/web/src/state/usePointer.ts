import { useRef, useState, type PointerEvent, type RefObject } from 'react';
import {
  boxBetween,
  isMeant,
  moved,
  resized,
  type Handle,
  type Point,
  type Size,
} from '../logic/geometry';
import { draggedWindow, type GreyWindow } from '../logic/grey';
import type { Mark } from '../logic/marks';
import { panned, toImage, zoomed, type View } from '../logic/view';
import type { WireBox } from '../logic/wire';

export type Tool = 'pan' | 'window' | 'draw';

/** A press is a click up to so many pixels; further on it is a drag. */
const CLICK_PX = 4;

type Drag = { readonly from: Point; far: boolean } & (
  | { readonly what: 'pan'; readonly view: View; readonly mark: string | null }
  | { readonly what: 'window'; readonly window: GreyWindow }
  | { readonly what: 'draw'; readonly corner: Point }
  | {
      readonly what: 'box';
      readonly key: string;
      readonly box: WireBox;
      readonly handle: Handle | null;
    }
);

export interface PointerTarget {
  readonly frame: RefObject<HTMLDivElement | null>;
  readonly view: View;
  readonly fit: number;
  readonly image: Size;
  readonly tool: Tool;
  readonly window: GreyWindow;
  readonly firstWindow: GreyWindow;
  readonly marks: readonly Mark[];
  readonly edited: string | null;
  readonly onView: (view: View) => void;
  readonly onWindow: (window: GreyWindow) => void;
  readonly onSelect: (key: string | null) => void;
  readonly onBox: (key: string, box: WireBox) => void;
  readonly onDraw: (box: WireBox) => void;
}

/** What pressing and dragging on the picture does; `drawn` is the box that is being drawn. */
export function usePointer(target: PointerTarget) {
  const drag = useRef<Drag | null>(null);
  const touches = useRef(new Map<number, Point>());
  const [drawn, setDrawn] = useState<WireBox | null>(null);

  const placeOf = (event: PointerEvent): Point => {
    const frame = target.frame.current!.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  };

  function down(event: PointerEvent<HTMLDivElement>): void {
    const at = placeOf(event);
    event.currentTarget.setPointerCapture(event.pointerId);
    if (event.pointerType === 'touch') {
      touches.current.set(event.pointerId, at);
      if (touches.current.size > 1) {
        drag.current = null;
        setDrawn(null);
        return;
      }
    }
    drag.current = begun(event, at, target);
  }

  function move(event: PointerEvent<HTMLDivElement>): void {
    const at = placeOf(event);
    if (touches.current.size > 1) {
      pinch(event.pointerId, at, touches.current, target);
      return;
    }
    const now = drag.current;
    if (now === null) return;
    const [dx, dy] = [at.x - now.from.x, at.y - now.from.y];
    now.far ||= Math.hypot(dx, dy) > CLICK_PX;
    if (!now.far) return;
    const { scale } = target.view;
    if (now.what === 'pan') target.onView(panned(now.view, dx, dy));
    if (now.what === 'window') {
      target.onWindow(draggedWindow(now.window, dx, dy, target.firstWindow));
    }
    if (now.what === 'draw') {
      setDrawn(boxBetween(now.corner, toImage(target.view, at), target.image));
    }
    if (now.what === 'box') {
      const [right, below] = [dx / scale, dy / scale];
      const box =
        now.handle === null
          ? moved(now.box, right, below, target.image)
          : resized(now.box, now.handle, right, below, target.image);
      target.onBox(now.key, box);
    }
  }

  function up(event: PointerEvent<HTMLDivElement>): void {
    touches.current.delete(event.pointerId);
    const now = drag.current;
    drag.current = null;
    setDrawn(null);
    if (now === null || event.type === 'pointercancel') return;
    if (now.what === 'draw' && drawn !== null && isMeant(drawn)) target.onDraw(drawn);
    if (now.what === 'pan' && !now.far && event.button === 0) target.onSelect(now.mark);
  }

  const handlers = { onPointerDown: down, onPointerMove: move, onPointerUp: up };
  return { drawn, handlers: { ...handlers, onPointerCancel: up } };
}

function begun(event: PointerEvent, from: Point, target: PointerTarget): Drag {
  const element = event.target as Element;
  const mark = element.closest('[data-mark]')?.getAttribute('data-mark') ?? null;
  const pan: Drag = { what: 'pan', from, far: false, view: target.view, mark };
  if (event.button === 1) return pan;
  if (event.button === 2 || (target.tool === 'window' && event.button === 0)) {
    return { what: 'window', from, far: false, window: target.window };
  }
  if (target.tool === 'draw') {
    return { what: 'draw', from, far: false, corner: toImage(target.view, from) };
  }
  const box = target.marks.find((one) => one.key === mark)?.box;
  if (mark !== null && mark === target.edited && box !== undefined) {
    const handle = element.getAttribute('data-handle') as Handle | null;
    return { what: 'box', from, far: false, key: mark, box, handle };
  }
  return pan;
}

/** Two fingers: the distance between them zooms, their middle pans. */
function pinch(id: number, at: Point, touches: Map<number, Point>, target: PointerTarget): void {
  const before = touches.get(id);
  const other = [...touches].find(([one]) => one !== id)?.[1];
  if (before === undefined || other === undefined) return;
  touches.set(id, at);
  const apart = (point: Point) => Math.max(Math.hypot(point.x - other.x, point.y - other.y), 1);
  const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
  const pushed = panned(target.view, (at.x - before.x) / 2, (at.y - before.y) / 2);
  target.onView(zoomed(pushed, middle, apart(at) / apart(before), target.fit));
}
