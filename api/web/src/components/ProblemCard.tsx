import { useState, type FormEvent } from 'react';
import type { Problem } from '../logic/problems';
import type { Asked } from '../logic/service';
import { Icon } from './icons';

interface Props {
  readonly problem: Problem;
  readonly asked: Asked;
  readonly onAsk: (asked: Asked) => void;
  readonly onKey: () => void;
}

/** What went wrong with an image, and what can be done about it. */
export function ProblemCard({ problem, asked, onAsk, onKey }: Props) {
  const { remedy } = problem;
  return (
    <div className="card problem-card" role="alert">
      <h2>
        <Icon name="warning" /> {problem.title}
      </h2>
      <p>{problem.text}</p>
      {remedy === 'kind' && (
        <div className="buttons">
          {(['chest', 'bone'] as const).map((kind) => (
            <button key={kind} type="button" onClick={() => onAsk({ ...asked, kind })}>
              Analyse as {kind} all the same
            </button>
          ))}
        </div>
      )}
      {remedy === 'frame' && (
        <FrameChoice
          frames={problem.frames}
          frame={asked.frame}
          onFrame={(frame) => onAsk({ ...asked, frame })}
        />
      )}
      {remedy === 'retry' && (
        <button type="button" onClick={() => onAsk(asked)}>
          Try again
        </button>
      )}
      {remedy === 'key' && (
        <button type="button" onClick={onKey}>
          Give the key
        </button>
      )}
    </div>
  );
}

function FrameChoice(props: {
  frames: number | null;
  frame: number | null;
  onFrame: (frame: number) => void;
}) {
  const [text, setText] = useState(String(props.frame ?? 1));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const frame = Number(text);
    if (Number.isInteger(frame) && frame >= 1) props.onFrame(frame);
  };
  return (
    <form className="buttons" onSubmit={submit}>
      <label>
        Frame{' '}
        <input
          type="number"
          min={1}
          max={props.frames ?? undefined}
          value={text}
          required
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <button type="submit">Analyse this frame</button>
    </form>
  );
}
