import { memo } from 'react';
import { captionPlaces, type Place } from '../logic/captions';
import { colourOf } from '../logic/colours';
import { HANDLES, handleAt, heightOf, widthOf, type Size } from '../logic/geometry';
import { captionOf, type Mark } from '../logic/marks';
import { toScreen, type View } from '../logic/view';
import type { WireBox } from '../logic/wire';

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
          colour={colourOf(mark.label, props.labels)}
          view={view}
          caption={captions.get(mark.key)}
          selected={mark.key === selected}
          hovered={mark.key === hovered}
          edited={mark.key === edited}
          onHover={props.onHover}
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
  readonly caption: Place | undefined;
  readonly selected: boolean;
  readonly hovered: boolean;
  readonly edited: boolean;
  readonly onHover: (key: string | null) => void;
}

function MarkShape({ mark, colour, view, caption, onHover, ...state }: ShapeProps) {
  const place = placed(mark.box, view);
  const names = ['mark', mark.tier ?? 'own', mark.decision ?? 'undecided'];
  for (const name of ['selected', 'hovered', 'edited'] as const) if (state[name]) names.push(name);
  return (
    <g
      className={names.join(' ')}
      data-mark={mark.key}
      color={mark.decision === 'reject' ? '#b4bcc4' : colour}
      onPointerEnter={() => onHover(mark.key)}
      onPointerLeave={() => onHover(null)}
    >
      <rect className="casing" {...place} />
      <rect className="outline" {...place} />
      {caption !== undefined && (
        <g className="caption">
          <rect {...caption} />
          <text x={caption.x + 5} y={caption.y + 13}>
            {captionOf(mark)}
          </text>
        </g>
      )}
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

function placed(box: WireBox, view: View): Place {
  const { x, y } = toScreen(view, { x: box.x1, y: box.y1 });
  return { x, y, width: widthOf(box) * view.scale, height: heightOf(box) * view.scale };
}

function rank(mark: Mark, selected: string | null): number {
  return mark.key === selected ? -1 : widthOf(mark.box) * heightOf(mark.box);
}
