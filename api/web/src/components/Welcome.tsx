import type { Problem } from '../logic/problems';
import type { ModelFacts } from '../logic/wire';
import { Icon } from './icons';

interface Props {
  readonly models: readonly ModelFacts[] | null;
  readonly problem: Problem | null;
  readonly onPick: () => void;
  readonly onRetry: () => void;
  readonly onKey: () => void;
}

/** The page before the first image. */
export function Welcome({ models, problem, onPick, onRetry, onKey }: Props) {
  return (
    <div className="welcome">
      <div className="drop">
        <Icon name="add" />
        <h2>Drop radiographs here</h2>
        <p>
          PNG, JPEG, TIFF or DICOM, one or many.
          <br />
          They go to this service and nowhere else.
        </p>
        <button type="button" className="main" onClick={onPick}>
          Choose files
        </button>
      </div>
      {models !== null && <Loaded models={models} />}
      {problem !== null && (
        <div className="hint" role="status">
          <p>
            {problem.title}. {problem.text}
          </p>
          {problem.remedy === 'key' ? (
            <button type="button" onClick={onKey}>
              Give the key
            </button>
          ) : (
            <button type="button" onClick={onRetry}>
              Try again
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function Loaded({ models }: { models: readonly ModelFacts[] }) {
  return (
    <ul className="loaded" aria-label="Loaded models">
      {models
        .filter((model) => model.role !== 'router')
        .map((model) => (
          <li key={model.name}>
            <strong>{model.name}</strong>
            <span>{model.intended_use}</span>
          </li>
        ))}
    </ul>
  );
}
