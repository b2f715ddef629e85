import { memo } from 'react';
import { boxThresholds, pointsOf, type Setting } from '../logic/thresholds';
import { scoreText } from '../logic/marks';
import type { ModelFacts, Report } from '../logic/wire';

interface Props {
  readonly report: Report;
  readonly models: readonly ModelFacts[];
  readonly setting: Setting;
  readonly onSetting: (setting: Setting) => void;
}

const MEANING: Readonly<Record<string, string>> = {
  screening: 'Misses little, with more false alarms.',
  balanced: 'Misses and false alarms weighed against each other.',
  specific: 'Few false alarms, with more misses.',
};
const STEP = 0.01;

/** Operating point and threshold: both act in the page, without a new request. */
export const ThresholdPanel = memo(function ThresholdPanel(props: Props) {
  const { report, models, setting, onSetting } = props;
  const used = models.filter((model) => report.models.some((one) => one.name === model.name));
  const detectors = detectorsOf(report);
  const thresholds = boxThresholds(detectors, models, setting);
  const least = Math.min(...thresholds.map((one) => one.threshold), 1);
  return (
    <section className="thresholds" aria-labelledby="thresholds-title">
      <h2 id="thresholds-title">Operating point</h2>
      <div className="segments" role="radiogroup" aria-labelledby="thresholds-title">
        {pointsOf(used.length > 0 ? used : models).map((point) => (
          <label key={point}>
            <input
              type="radio"
              name="point"
              value={point}
              checked={setting.score === null && setting.point === point}
              onChange={() => onSetting({ point, score: null })}
            />
            <span>{point}</span>
          </label>
        ))}
      </div>
      <p className="hint">
        {setting.score === null
          ? (MEANING[setting.point] ?? '')
          : `Your own threshold for boxes; the whole image is judged at ${setting.point}.`}
      </p>
      {detectors.length > 0 && (
        <div className="slider">
          <label htmlFor="threshold">Least score of a box</label>
          <output htmlFor="threshold">{thresholdText(least)}</output>
          <input
            id="threshold"
            type="range"
            min={STEP}
            max={1}
            step={STEP}
            value={least}
            aria-valuetext={thresholdText(least)}
            onChange={(event) =>
              onSetting({ point: setting.point, score: Number(event.target.value) })
            }
          />
          {setting.score === null && thresholds.length > 1 && (
            <ul className="hint">
              {thresholds.map((one) => (
                <li key={`${one.model} ${one.label}`}>
                  {one.label} from {thresholdText(one.threshold)}
                </li>
              ))}
            </ul>
          )}
        </div>
      )}
    </section>
  );
});

function detectorsOf(report: Report): string[] {
  const found = report.findings.map((one) => one.model);
  const used = report.models.filter((model) => model.task === 'detection');
  const ensembles = found.filter((name) => name.includes(' + '));
  return [...new Set(ensembles.length > 0 ? ensembles : used.map((model) => model.name))];
}

const thresholdText = (value: number): string =>
  value < 0.1 ? value.toFixed(3) : scoreText(value);
