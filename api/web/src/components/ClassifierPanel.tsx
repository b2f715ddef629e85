import { memo } from 'react';
import { scoreText } from '../logic/marks';
import { firstSentence } from '../logic/problems';
import { verdictsAt, type Verdict } from '../logic/thresholds';
import type { Flag, ModelFacts, ModelUsed, Report } from '../logic/wire';
import { Icon } from './icons';

interface Props {
  readonly report: Report;
  readonly models: readonly ModelFacts[];
  readonly point: string;
}

/** What classifiers say of the whole image: a bar a label, its threshold marked, and for whom. */
export const ClassifierPanel = memo(function ClassifierPanel(props: Props) {
  const { report, models, point } = props;
  if (report.classifications.length === 0) return null;
  return (
    <section aria-labelledby="whole-title">
      <h2 id="whole-title">Whole image</h2>
      <ul className="classifiers">
        {report.classifications.map((answer) => (
          <li key={answer.model}>
            <Doubt flag={doubtOf(report, answer.model)} />
            {verdictsAt(answer, models, point).map((verdict) => (
              <Bar key={verdict.label} model={answer.model} verdict={verdict} />
            ))}
            <Purpose used={report.models.find((model) => model.name === answer.model)} />
          </li>
        ))}
      </ul>
    </section>
  );
});

const doubtOf = (report: Report, model: string): Flag | undefined =>
  report.flags.find((flag) => flag.kind === 'out-of-distribution' && flag.models.includes(model));

/** Why the bars below may mean nothing here. */
function Doubt({ flag }: { flag: Flag | undefined }) {
  return flag === undefined ? null : (
    <p className="doubt">
      <Icon name="warning" /> {flag.message}
    </p>
  );
}

/** For whom the model is made; all of it stands with the models further down. */
function Purpose({ used }: { used: ModelUsed | undefined }) {
  if (used === undefined) return null;
  return <p className="hint purpose">{firstSentence(used.intended_use)}</p>;
}

function Bar({ model, verdict }: { model: string; verdict: Verdict }) {
  const { label, probability, threshold, positive } = verdict;
  const wide = (value: number) => `${100 * value}%`;
  return (
    <div className={positive ? 'positive' : 'negative'}>
      <div className="line">
        <span className="label">{label}</span>
        <span className="verdict">{positive ? 'above threshold' : 'below threshold'}</span>
        <span className="score">{scoreText(probability)}</span>
      </div>
      <div
        className="bar"
        role="meter"
        aria-label={`${label}, by ${model}`}
        aria-valuemin={0}
        aria-valuemax={1}
        aria-valuenow={probability}
        aria-valuetext={`${scoreText(probability)}, threshold ${scoreText(threshold)}`}
      >
        <span className="fill" style={{ width: wide(probability) }} />
        <span className="threshold" style={{ left: wide(threshold) }} />
      </div>
      <div className="hint">
        {model === label ? '' : `${model} · `}threshold {scoreText(threshold)}
      </div>
    </div>
  );
}
