import { summaryOf } from '../logic/marks';
import { isFinished } from '../logic/review';
import type { Setting } from '../logic/thresholds';
import type { HeatMap, ModelFacts, Report } from '../logic/wire';
import type { Study } from '../state/studies';
import type { Reading } from '../state/useReading';
import { ClassifierPanel } from './ClassifierPanel';
import { DetailsPanel } from './DetailsPanel';
import { FindingList } from './FindingList';
import { FlagList } from './FlagList';
import { HeatPanel, type HeatChoice } from './HeatPanel';
import { Icon } from './icons';
import { ReviewPanel } from './ReviewPanel';
import { ThresholdPanel } from './ThresholdPanel';

export type Download = 'json' | 'labelme' | 'png';

interface Props {
  readonly study: Study;
  readonly report: Report;
  readonly reading: Reading;
  readonly models: readonly ModelFacts[];
  readonly setting: Setting;
  readonly onSetting: (setting: Setting) => void;
  readonly maps: readonly HeatMap[];
  readonly map: HeatMap | undefined;
  readonly heat: HeatChoice;
  readonly onHeat: (heat: HeatChoice) => void;
  readonly noFeedback: string | null;
  readonly onSend: () => void;
  readonly onDownload: (what: Download) => void;
}

const DOWNLOADS: readonly [Download, string][] = [
  ['json', 'JSON'],
  ['labelme', 'labelme'],
  ['png', 'PNG'],
];

/** Everything that is said about the selected image. */
export function Panel(props: Props) {
  const { study, report, reading, models, setting } = props;
  const looked = report.models.some((model) => model.task === 'detection');
  const summary = looked ? summaryOf(reading.marks) : 'No model that draws boxes saw this image';
  const whole = <ClassifierPanel report={report} models={models} point={setting.point} />;
  return (
    <>
      <FlagList flags={reading.flags} />
      <ThresholdPanel
        report={report}
        models={models}
        setting={setting}
        onSetting={props.onSetting}
      />
      {!looked && whole}
      <section aria-labelledby="findings-title">
        <h2 id="findings-title">Findings</h2>
        <p className="summary">{summary}</p>
        <FindingList
          report={report}
          marks={reading.marks}
          labels={reading.labels}
          choosable={reading.choosable}
          selected={reading.selected}
          hovered={reading.hovered}
          edited={reading.edited}
          onSelect={reading.select}
          onHover={reading.hover}
          onDecide={reading.decide}
          onEdit={reading.edit}
          onRelabel={reading.relabel}
          onRemove={reading.remove}
        />
      </section>
      {looked && whole}
      <HeatPanel maps={props.maps} map={props.map} choice={props.heat} onChoice={props.onHeat} />
      <ReviewPanel
        marks={reading.marks}
        review={reading.review}
        sending={study.sending}
        unavailable={props.noFeedback}
        onRest={reading.decideRest}
        onNothing={reading.nothing}
        onComment={reading.comment}
        onSend={props.onSend}
      />
      <section aria-labelledby="save-title">
        <h2 id="save-title">Save</h2>
        <div className="buttons">
          {DOWNLOADS.map(([what, name]) => (
            <button key={what} type="button" onClick={() => props.onDownload(what)}>
              <Icon name="download" /> {name}
            </button>
          ))}
        </div>
        {!isFinished(reading.marks, reading.review) && (
          <p className="hint">
            Until your review is complete, the labelme file says that nobody has reviewed the image.
          </p>
        )}
      </section>
      <DetailsPanel report={report} />
    </>
  );
}
