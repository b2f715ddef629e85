import {
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type PointerEvent,
  type Ref,
} from 'react';
import type { Point, Size } from '../logic/geometry';
import { valueAt, windowText, type GreyImage, type GreyWindow } from '../logic/grey';
import { percent, type Mark } from '../logic/marks';
import { actualSize, fitted, kept, showing, toImage, zoomed, type View } from '../logic/view';
import type { WireBox } from '../logic/wire';
import { paint } from '../state/canvases';
import { usePointer, type Tool } from '../state/usePointer';
import { BoxLayer } from './BoxLayer';

/** What keys and the toolbar ask of the picture. */
export interface ViewerHandle {
  zoom(factor: number): void;
  fit(): void;
  actualSize(): void;
  /** The middle of what is seen, in pixels of the stored image. */
  middle(): Point;
  /** The picture in its window, without layers. */
  source(): HTMLCanvasElement;
}

interface Props {
  readonly image: GreyImage;
  readonly window: GreyWindow;
  readonly inverted: boolean;
  readonly heat: HTMLCanvasElement | null;
  readonly opacity: number;
  readonly marks: readonly Mark[];
  readonly labels: readonly string[];
  readonly selected: string | null;
  readonly hovered: string | null;
  readonly edited: string | null;
  readonly tool: Tool;
  readonly description: string;
  readonly onWindow: (window: GreyWindow) => void;
  readonly onSelect: (key: string | null) => void;
  readonly onHover: (key: string | null) => void;
  readonly onBox: (key: string, box: WireBox) => void;
  readonly onDraw: (box: WireBox) => void;
  readonly onReset: () => void;
  readonly ref: Ref<ViewerHandle>;
}

const NO_SIZE: Size = { width: 0, height: 0 };
const WHEEL = 0.0015;

/** The radiograph with its layers; wheel, buttons and drags zoom, pan and window it. */
export function Viewer(props: Props) {
  const { image, heat, opacity, marks, selected } = props;
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const source = useMemo(() => document.createElement('canvas'), []);
  const readout = useRef<HTMLSpanElement>(null);
  const screen = useScreen(frame);
  // Null: the whole image, however large the frame is.
  const [chosen, setChosen] = useState<{ image: GreyImage; view: View } | null>(null);
  const whole = useMemo(() => fitted(image.stored, screen), [image, screen]);
  const view = chosen !== null && chosen.image === image ? chosen.view : whole;
  const setView = useCallback(
    (next: View) => setChosen({ image, view: kept(next, image.stored, screen) }),
    [image, screen],
  );
  const middle = { x: screen.width / 2, y: screen.height / 2 };

  useLayoutEffect(() => {
    paint(source, image, props.window, props.inverted);
  }, [source, image, props.window, props.inverted]);

  useLayoutEffect(() => {
    if (canvas.current !== null)
      draw(canvas.current, { source, image, view, screen, heat, opacity });
  }, [source, image, props.window, props.inverted, view, screen, heat, opacity]);

  useImperativeHandle(props.ref, () => ({
    zoom: (factor) => setView(zoomed(view, middle, factor, whole.scale)),
    fit: () => setChosen(null),
    actualSize: () => setView(actualSize(view, screen, window.devicePixelRatio)),
    middle: () => toImage(view, middle),
    source: () => source,
  }));

  const box = marks.find((mark) => mark.key === selected)?.box;
  useEffect(() => {
    if (box === undefined) return;
    const next = showing(view, box, screen);
    if (next !== view) setView(next);
    // Only when another one is selected: then it comes into sight, and may be pushed out again.
  }, [selected]);

  useWheel(frame, (at, factor) => setView(zoomed(view, at, factor, whole.scale)));
  const { drawn, handlers } = usePointer({
    frame,
    view,
    fit: whole.scale,
    image: image.stored,
    tool: props.tool,
    window: props.window,
    firstWindow: image.window,
    marks,
    edited: props.edited,
    onView: setView,
    onWindow: props.onWindow,
    onSelect: props.onSelect,
    onBox: props.onBox,
    onDraw: props.onDraw,
  });

  const tell = (event: PointerEvent<HTMLDivElement>) => {
    handlers.onPointerMove(event);
    const edge = frame.current!.getBoundingClientRect();
    const at = toImage(view, { x: event.clientX - edge.left, y: event.clientY - edge.top });
    const value = valueAt(image, at.x, at.y);
    if (readout.current === null) return;
    readout.current.textContent =
      value === null ? '' : `x ${Math.floor(at.x)} y ${Math.floor(at.y)} · ${value}`;
  };

  return (
    <div
      ref={frame}
      className={`viewer tool-${props.tool}`}
      data-scale={view.scale}
      data-left={view.left}
      data-top={view.top}
      {...handlers}
      onPointerMove={tell}
      onDoubleClick={props.onReset}
      onContextMenu={(event) => event.preventDefault()}
    >
      <canvas ref={canvas} role="img" aria-label={props.description} />
      <BoxLayer
        marks={marks}
        labels={props.labels}
        view={view}
        screen={screen}
        selected={selected}
        hovered={props.hovered}
        edited={props.edited}
        drawn={drawn}
        onHover={props.onHover}
      />
      <div className="readout" aria-hidden="true">
        <span ref={readout} />
        <span>
          {windowText(props.window)} · {percent(view.scale * window.devicePixelRatio)}
        </span>
      </div>
    </div>
  );
}

function useScreen(frame: { current: HTMLElement | null }): Size {
  const [screen, setScreen] = useState(NO_SIZE);
  useLayoutEffect(() => {
    const element = frame.current!;
    const measure = () => setScreen({ width: element.clientWidth, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [frame]);
  return screen;
}

/** React listens to wheels passively, so the page would scroll as well. */
function useWheel(
  frame: { current: HTMLElement | null },
  zoom: (at: Point, factor: number) => void,
): void {
  const latest = useRef(zoom);
  latest.current = zoom;
  useEffect(() => {
    const element = frame.current!;
    const turned = (event: WheelEvent) => {
      event.preventDefault();
      const edge = element.getBoundingClientRect();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 16;
      const factor = Math.exp(-event.deltaY * lines * WHEEL);
      latest.current({ x: event.clientX - edge.left, y: event.clientY - edge.top }, factor);
    };
    element.addEventListener('wheel', turned, { passive: false });
    return () => element.removeEventListener('wheel', turned);
  }, [frame]);
}

interface Drawing {
  readonly source: HTMLCanvasElement;
  readonly image: GreyImage;
  readonly view: View;
  readonly screen: Size;
  readonly heat: HTMLCanvasElement | null;
  readonly opacity: number;
}

function draw(canvas: HTMLCanvasElement, drawing: Drawing): void {
  const { source, image, view, screen, heat, opacity } = drawing;
  const ratio = window.devicePixelRatio;
  const width = Math.round(screen.width * ratio);
  const height = Math.round(screen.height * ratio);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d')!;
  context.globalAlpha = 1;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, screen.width, screen.height);
  // Far in, single pixels are what one wants to see.
  context.imageSmoothingEnabled = view.scale * ratio < 6;
  context.imageSmoothingQuality = 'high';
  const wide = image.stored.width * view.scale;
  const high = image.stored.height * view.scale;
  context.drawImage(source, view.left, view.top, wide, high);
  if (heat === null) return;
  context.imageSmoothingEnabled = true;
  context.globalAlpha = opacity;
  context.drawImage(heat, view.left, view.top, wide, high);
}
