import { memo, useEffect, useId, useRef } from 'react';
import { colourOf } from '../logic/colours';
import { scoreText, type Mark } from '../logic/marks';
import type { FoundBox, Report } from '../logic/wire';
import { IconButton } from './IconButton';

interface Props {
  readonly report: Report;
  readonly marks: readonly Mark[];
  readonly labels: readonly string[];
  readonly choosable: readonly string[];
  readonly selected: string | null;
  readonly hovered: string | null;
  readonly edited: string | null;
  readonly onSelect: (key: string | null) => void;
  readonly onHover: (key: string | null) => void;
  readonly onDecide: (mark: Mark, action: 'accept' | 'reject') => void;
  readonly onEdit: (key: string) => void;
  readonly onRelabel: (key: string, label: string) => void;
  readonly onRemove: (key: string) => void;
}

/** The findings, best first; pointing at one shows its box. */
export const FindingList = memo(function FindingList(props: Props) {
  return (
    <ul className="findings">
      {props.marks.map((mark) => (
        <Item key={mark.key} mark={mark} {...props} />
      ))}
    </ul>
  );
});

const DECISIONS = { accept: 'accepted', reject: 'rejected', move: 'moved', add: 'yours' } as const;

function Item({ mark, ...props }: Props & { mark: Mark }) {
  const { key } = mark;
  const selected = key === props.selected;
  const item = useRef<HTMLLIElement>(null);
  useEffect(() => {
    const panel = item.current?.closest('.panel');
    // In narrow windows the whole page would scroll, and the picture with it.
    const scrolls = panel != null && panel.scrollHeight > panel.clientHeight;
    if (selected && scrolls) item.current?.scrollIntoView({ block: 'nearest' });
  }, [selected]);
  const found = mark.finding === null ? undefined : props.report.findings[mark.finding];
  const colour = colourOf(mark.label, props.labels);
  const names = [selected && 'selected', key === props.hovered && 'hovered', mark.decision];
  return (
    <li
      ref={item}
      className={names.filter(Boolean).join(' ')}
      data-finding={key}
      onPointerEnter={() => props.onHover(key)}
      onPointerLeave={() => props.onHover(null)}
    >
      <div className="row">
        <button
          type="button"
          className="finding"
          aria-pressed={selected}
          onClick={() => props.onSelect(selected ? null : key)}
          onFocus={() => props.onHover(key)}
          onBlur={() => props.onHover(null)}
        >
          <svg className="swatch" viewBox="0 0 20 20" aria-hidden="true">
            <rect
              x="4"
              y="4"
              width="12"
              height="12"
              stroke={colour}
              className={mark.tier === 'doubtful' ? 'doubtful' : 'sure'}
            />
          </svg>
          <span className="what">
            <span className="label">{mark.label}</span>
            <span className="tier">
              {[mark.tier, mark.decision && DECISIONS[mark.decision]].filter(Boolean).join(', ')}
            </span>
          </span>
          {mark.score !== null && <span className="score">{scoreText(mark.score)}</span>}
        </button>
        <Judging mark={mark} {...props} />
      </div>
      {selected && mark.finding === null && (
        <LabelChoice
          label={mark.label}
          choosable={props.choosable}
          onRelabel={(label) => props.onRelabel(key, label)}
        />
      )}
      {selected && found !== undefined && <Probabilities found={found} />}
    </li>
  );
}

function Judging({ mark, ...props }: Props & { mark: Mark }) {
  const accepted = mark.decision === 'accept' || mark.decision === 'move';
  const about = mark.label;
  return (
    <span className="judging">
      {mark.finding !== null && (
        <>
          <IconButton
            icon="accept"
            label={`Accept ${about}`}
            shortcut="a"
            pressed={accepted}
            onClick={() => props.onDecide(mark, 'accept')}
          />
          <IconButton
            icon="reject"
            label={`Reject ${about}`}
            shortcut="r"
            pressed={mark.decision === 'reject'}
            onClick={() => props.onDecide(mark, 'reject')}
          />
        </>
      )}
      <IconButton
        icon="move"
        label={`Move ${about}`}
        shortcut="m"
        pressed={mark.key === props.edited}
        onClick={() => props.onEdit(mark.key)}
      />
      {mark.finding === null && (
        <IconButton
          icon="remove"
          label={`Remove ${about}`}
          shortcut="Delete"
          onClick={() => props.onRemove(mark.key)}
        />
      )}
    </span>
  );
}

const OTHER = '\0other';

function LabelChoice(props: {
  label: string;
  choosable: readonly string[];
  onRelabel: (label: string) => void;
}) {
  const { label, choosable } = props;
  const own = !choosable.includes(label);
  const id = useId();
  return (
    <div className="label-choice">
      <label htmlFor={`${id}label`}>Label</label>
      <select
        id={`${id}label`}
        value={own ? OTHER : label}
        onChange={(event) =>
          props.onRelabel(event.target.value === OTHER ? 'finding' : event.target.value)
        }
      >
        {choosable.map((name) => (
          <option key={name}>{name}</option>
        ))}
        <option value={OTHER}>another …</option>
      </select>
      {own && (
        <>
          <label htmlFor={`${id}name`}>Its name</label>
          <input
            id={`${id}name`}
            value={label}
            maxLength={200}
            onChange={(event) => props.onRelabel(event.target.value)}
          />
        </>
      )}
    </div>
  );
}

/** Every class's probability, and the network's own before calibration. */
function Probabilities({ found }: { found: FoundBox }) {
  const raw = found.raw_probabilities;
  return (
    <table className="figures">
      <thead>
        <tr>
          <th scope="col">Class</th>
          <th scope="col">Probability</th>
          {raw !== null && <th scope="col">Raw</th>}
        </tr>
      </thead>
      <tbody>
        {Object.entries(found.probabilities).map(([label, value]) => (
          <tr key={label}>
            <th scope="row">{label}</th>
            <td>{value.toFixed(3)}</td>
            {raw !== null && <td>{raw[label]?.toFixed(3)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
