import { memo, useEffect, useRef } from 'react';
import { marksOf, scoreText, summaryOf } from '../logic/marks';
import type { Problem } from '../logic/problems';
import { verdictsAt, type Setting } from '../logic/thresholds';
import type { ModelFacts } from '../logic/wire';
import type { Study } from '../state/studies';
import { IconButton } from './IconButton';
import { Icon } from './icons';

interface Props {
  readonly studies: readonly Study[];
  readonly selected: number | null;
  readonly models: readonly ModelFacts[];
  readonly setting: Setting;
  /** Why nothing is known of the models, so that images cannot be analysed. */
  readonly serviceProblem: Problem | null;
  readonly onSelect: (id: number) => void;
  readonly onRemove: (id: number) => void;
}

/** The images of this visit, each with its state. */
export const Strip = memo(function Strip(props: Props) {
  const current = useRef<HTMLLIElement>(null);
  useEffect(() => {
    current.current?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [props.selected]);

  return (
    <nav className="strip" aria-label="Images">
      <ul>
        {props.studies.map((study) => {
          const chosen = study.id === props.selected;
          const problem = study.stage === 'waiting' ? props.serviceProblem : study.problem;
          const stage = problem === null ? study.stage : 'failed';
          return (
            <li key={study.id} ref={chosen ? current : null} className={stage}>
              <button
                type="button"
                className="thumb"
                aria-current={chosen}
                onClick={() => props.onSelect(study.id)}
              >
                <span className="frame">
                  {study.thumbnail !== null && <img src={study.thumbnail} alt="" />}
                  {study.thumbnail === null && stage === 'failed' && <Icon name="warning" />}
                </span>
                <span className="about">
                  <span className="name">{study.file.name}</span>
                  <span className="stage">
                    {problem?.title ?? stateOf(study, props.models, props.setting)}
                  </span>
                </span>
              </button>
              <IconButton
                icon="reject"
                label={`Remove ${study.file.name}`}
                onClick={() => props.onRemove(study.id)}
              />
            </li>
          );
        })}
      </ul>
    </nav>
  );
});

function stateOf(study: Study, models: readonly ModelFacts[], setting: Setting): string {
  if (study.stage === 'waiting') return 'Waiting';
  if (study.stage === 'analysing') return 'Analysing …';
  if (study.stage === 'failed') return 'Failed';
  const report = study.analysis?.report;
  if (report === undefined) return 'Done';
  const positive = report.classifications.flatMap((answer) =>
    verdictsAt(answer, models, setting.point)
      .filter((verdict) => verdict.positive)
      .map((verdict) => `${verdict.label} ${scoreText(verdict.probability)}`),
  );
  const boxes = report.models.some((model) => model.task === 'detection')
    ? [summaryOf(marksOf(report, models, setting, study.review)).replace(/:.*| at this.*/, '')]
    : [];
  return [...boxes, ...positive].join(', ') || 'Below all thresholds';
}
