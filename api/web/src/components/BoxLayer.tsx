import { memo } from 'react';
import { captionPlaces, type Place } from '../logic/captions';
import { colourOf } from '../logic/colours';
import { HANDLES, handleAt, heightOf, widthOf, type Size } from '../logic/geometry';
import { captionOf, type Mark } from '../logic/marks';
import { toScreen, type View } from '../logic/view';
import type { WireBox } from '../logic/wire';

/** What a reader rejected steps back. */
const REJECTED = '#b4bcc4';

interface Props {
  readonly marks: readonly Mark[];
  readonly labels: readonly string[];
  readonly view: View;
  readonly screen: Size;
  readonly selected: string | null;
  readonly hovered: string | null;
  /** Key of the box with handles. */
  readonly edited: string | null;
  /** A box that is being drawn. */
  readonly drawn: WireBox | null;
  readonly onHover: (key: string | null) => void;
}

/**
 * The boxes over the picture. To screen readers they are what the list of findings says, so this
 * layer is hidden from them.
 */
export const BoxLayer = memo(function BoxLayer(props: Props) {
  const { marks, view, screen, selected, hovered, edited, drawn } = props;
  // Small boxes lie above large ones, so that each can be reached; the selected one on top.
  const ordered = [...marks].sort((a, b) => rank(b, selected) - rank(a, selected));
  const captions = captionPlaces(
    marks.map((mark) => ({
      key: mark.key,
      text: captionOf(mark),
      box: placed(mark.box, view),
      always: mark.key === selected || mark.key === hovered,
    })),
    screen,
  );
  return (
    <svg className="boxes" width={screen.width} height={screen.height} aria-hidden="true">
      {ordered.map((mark) => (
        <MarkShape
          key={mark.key}
          mark={mark}
          colour={colourIn(mark, props.labels)}
          view={view}
          selected={mark.key === selected}
          hovered={mark.key === hovered}
          edited={mark.key === edited}
          onHover={props.onHover}
        />
      ))}
      {ordered.map((mark) => (
        <Caption
          key={mark.key}
          mark={mark}
          colour={colourIn(mark, props.labels)}
          place={captions.get(mark.key)}
        />
      ))}
      {drawn !== null && <rect className="drawn" {...placed(drawn, view)} />}
    </svg>
  );
});

interface ShapeProps {
  readonly mark: Mark;
  readonly colour: string;
  readonly view: View;
  readonly selected: boolean;
  readonly hovered: boolean;
  readonly edited: boolean;
  readonly onHover: (key: string | null) => void;
}

function MarkShape({ mark, colour, view, onHover, ...state }: ShapeProps) {
  const place = placed(mark.box, view);
  const names = ['mark', mark.tier ?? 'own', mark.decision ?? 'undecided'];
  for (const name of ['selected', 'hovered', 'edited'] as const) if (state[name]) names.push(name);
  return (
    <g
      className={names.join(' ')}
      data-mark={mark.key}
      color={colour}
      onPointerEnter={() => onHover(mark.key)}
      onPointerLeave={() => onHover(null)}
    >
      <rect className="casing" {...place} />
      <rect className="outline" {...place} />
      {state.edited &&
        HANDLES.map((handle) => {
          const at = toScreen(view, handleAt(mark.box, handle));
          return (
            <rect
              key={handle}
              className={`handle ${handle}`}
              data-handle={handle}
              x={at.x - 5}
              y={at.y - 5}
              width={10}
              height={10}
            />
          );
        })}
    </g>
  );
}

/** Captions lie above all boxes. */
function Caption(props: { mark: Mark; colour: string; place: Place | undefined }) {
  const { mark, colour, place } = props;
  if (place === undefined) return null;
  const names = mark.decision === 'reject' ? 'caption reject' : 'caption';
  return (
    <g className={names} color={colour}>
      <rect {...place} />
      <text x={place.x + 5} y={place.y + 13}>
        {captionOf(mark)}
      </text>
    </g>
  );
}

function colourIn(mark: Mark, labels: readonly string[]): string {
  return mark.decision === 'reject' ? REJECTED : colourOf(mark.label, labels);
}

function placed(box: WireBox, view: View): Place {
  const { x, y } = toScreen(view, { x: box.x1, y: box.y1 });
  return { x, y, width: widthOf(box) * view.scale, height: heightOf(box) * view.scale };
}

function rank(mark: Mark, selected: string | null): number {
  return mark.key === selected ? -1 : widthOf(mark.box) * heightOf(mark.box);
}
