import { memo } from 'react';
import { scoreText } from '../logic/marks';
import { verdictsAt, type Verdict } from '../logic/thresholds';
import type { ModelFacts, Report } from '../logic/wire';

interface Props {
  readonly report: Report;
  readonly models: readonly ModelFacts[];
  readonly point: string;
}

/** What classifiers say of the whole image: a bar a label, its threshold marked. */
export const ClassifierPanel = memo(function ClassifierPanel(props: Props) {
  const { report, models, point } = props;
  if (report.classifications.length === 0) return null;
  return (
    <section aria-labelledby="whole-title">
      <h2 id="whole-title">Whole image</h2>
      <ul className="classifiers">
        {report.classifications.flatMap((answer) =>
          verdictsAt(answer, models, point).map((verdict) => (
            <Bar key={`${answer.model} ${verdict.label}`} model={answer.model} verdict={verdict} />
          )),
        )}
      </ul>
    </section>
  );
});

function Bar({ model, verdict }: { model: string; verdict: Verdict }) {
  const { label, probability, threshold, positive } = verdict;
  const wide = (value: number) => `${100 * value}%`;
  return (
    <li className={positive ? 'positive' : 'negative'}>
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
    </li>
  );
}
