import { useEffect, useRef, useState, type Dispatch } from 'react';
import { boxAround } from '../logic/geometry';
import { chosenMap } from '../logic/heat';
import type { Command } from '../logic/keys';
import { labelmeDocument, renamed } from '../logic/labelme';
import { summaryOf } from '../logic/marks';
import { drawnPicture, save } from '../logic/picture';
import { problemOf, ServiceError, type Problem } from '../logic/problems';
import { feedbackOf } from '../logic/review';
import type { Service } from '../logic/service';
import { pointsOf, type Setting } from '../logic/thresholds';
import type { ModelFacts } from '../logic/wire';
import type { Event, Study } from '../state/studies';
import { useDisplay } from '../state/useDisplay';
import { useGreyImage } from '../state/useGreyImage';
import { useHeat } from '../state/useHeat';
import { useKeyboard } from '../state/useKeyboard';
import type { Tool } from '../state/usePointer';
import { useReading } from '../state/useReading';
import type { HeatChoice } from './HeatPanel';
import { Panel, type Download } from './Panel';
import { ProblemCard } from './ProblemCard';
import { Toolbar, ZOOM_STEP } from './Toolbar';
import { Viewer, type ViewerHandle } from './Viewer';

interface Props {
  readonly study: Study;
  readonly service: Service;
  readonly models: readonly ModelFacts[];
  readonly setting: Setting;
  readonly keysOn: boolean;
  /** Why this service takes no feedback, null where it does as far as is known. */
  readonly noFeedback: string | null;
  readonly onNoFeedback: (reason: string) => void;
  readonly onSetting: (setting: Setting) => void;
  /** Why nothing is known of the models yet. */
  readonly serviceProblem: Problem | null;
  readonly onRetry: () => void;
  readonly onHelp: () => void;
  readonly onKey: () => void;
  readonly dispatch: Dispatch<Event>;
}

const THRESHOLD_STEP = 0.01;

/** The selected image and what is said about it. */
export function Workspace(props: Props) {
  const { study, service, models, setting, dispatch } = props;
  const shown = useGreyImage(study, service);
  const display = useDisplay(shown.image);
  const reading = useReading(study, models, setting, dispatch);
  const { report } = reading;
  const [tool, setTool] = useState<Tool>('pan');
  const [heat, setHeat] = useState<HeatChoice>({ shown: false, key: null, opacity: 0.6 });
  const maps = report?.heatmaps ?? [];
  const map = chosenMap(report, heat.key);
  const heatLayer = useHeat(heat.shown ? (map ?? null) : null);
  const viewer = useRef<ViewerHandle>(null);
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    panel.current?.scrollTo(0, 0);
  }, [study.id]);
  const problem = props.serviceProblem ?? study.problem ?? shown.problem;

  const reset = () => {
    display.reset();
    viewer.current?.fit();
  };
  const drawable = report !== null;
  const draws = () => setTool(drawable && tool !== 'draw' ? 'draw' : 'pan');

  const commands: Readonly<Record<Command, () => void>> = {
    'next-image': () => dispatch({ type: 'stepped', by: 1 }),
    'previous-image': () => dispatch({ type: 'stepped', by: -1 }),
    'next-finding': () => reading.step(1),
    'previous-finding': () => reading.step(-1),
    'zoom-in': () => viewer.current?.zoom(ZOOM_STEP),
    'zoom-out': () => viewer.current?.zoom(1 / ZOOM_STEP),
    fit: () => viewer.current?.fit(),
    'actual-size': () => viewer.current?.actualSize(),
    reset,
    invert: display.invert,
    heat: () => maps.length > 0 && setHeat({ ...heat, shown: !heat.shown }),
    'window-tool': () => setTool(tool === 'window' ? 'pan' : 'window'),
    lower: () => props.onSetting(stepped(setting, -THRESHOLD_STEP)),
    higher: () => props.onSetting(stepped(setting, THRESHOLD_STEP)),
    accept: () => reading.decide(reading.current, 'accept'),
    reject: () => reading.decide(reading.current, 'reject'),
    move: () => reading.edit(reading.selected),
    'new-box': draws,
    remove: () => reading.remove(reading.selected),
    help: props.onHelp,
    leave: () => {
      if (tool !== 'pan') setTool('pan');
      else if (reading.edited !== null) reading.stopEditing();
      else reading.select(null);
    },
    'point-1': () => choosePoint(0),
    'point-2': () => choosePoint(1),
    'point-3': () => choosePoint(2),
  };
  const choosePoint = (index: number) => {
    const point = pointsOf(models)[index];
    if (point !== undefined) props.onSetting({ point, score: null });
  };
  useKeyboard(props.keysOn, {
    first: (event) => {
      if (event.key === 'Enter' && tool === 'draw' && viewer.current !== null && drawable) {
        reading.add(boxAround(viewer.current.middle(), report.image));
        setTool('pan');
        return true;
      }
      return reading.nudge(event.key, event.shiftKey);
    },
    command: (command) => commands[command](),
  });

  const send = () => {
    if (report === null) return;
    const { id } = study;
    dispatch({ type: 'sending', id, sending: { stage: 'sending' } });
    service.feedback(feedbackOf(report, reading.review), study.file).then(
      (stored) => dispatch({ type: 'sending', id, sending: { stage: 'sent', id: stored } }),
      (error: unknown) => {
        const refused = error instanceof ServiceError && error.code === 'no_feedback';
        if (refused) props.onNoFeedback(problemOf(error).text);
        const sending = refused
          ? ({ stage: 'not-sent' } as const)
          : ({ stage: 'failed', problem: problemOf(error) } as const);
        dispatch({ type: 'sending', id, sending });
      },
    );
  };

  const download = async (what: Download) => {
    const answer = study.analysis;
    if (answer === null) return;
    const { name } = study.file;
    if (what === 'json') {
      save(new Blob([answer.text], { type: 'application/json' }), renamed(name, '.report.json'));
    } else if (what === 'labelme') {
      const document = labelmeDocument(answer.report, reading.marks, reading.review, name);
      const text = JSON.stringify(document, null, 2);
      save(new Blob([text], { type: 'application/json' }), renamed(name, '.json'));
    } else if (viewer.current !== null) {
      const picture = await drawnPicture({
        source: viewer.current.source(),
        heat: heatLayer,
        opacity: heat.opacity,
        storedWidth: answer.report.image.width,
        marks: reading.marks,
        labels: reading.labels,
        notice: answer.report.notice,
      });
      save(picture, renamed(name, '.findings.png'));
    }
  };

  return (
    <>
      <main className="stage">
        <Toolbar
          tool={tool}
          inverted={display.inverted}
          heat={heat.shown && maps.length > 0}
          anyHeat={maps.length > 0}
          drawable={drawable}
          onTool={setTool}
          onZoom={(factor) => viewer.current?.zoom(factor)}
          onFit={() => viewer.current?.fit()}
          onActual={() => viewer.current?.actualSize()}
          onInvert={display.invert}
          onHeat={commands.heat}
          onReset={reset}
        />
        <div className="picture">
          {shown.image !== null && (
            <Viewer
              ref={viewer}
              image={shown.image}
              window={display.window}
              inverted={display.inverted}
              heat={heatLayer}
              opacity={heat.opacity}
              marks={reading.marks}
              labels={reading.labels}
              selected={reading.selected}
              hovered={reading.hovered}
              edited={reading.edited}
              tool={tool}
              description={`Radiograph ${study.file.name}`}
              onWindow={display.setWindow}
              onSelect={reading.select}
              onHover={reading.hover}
              onBox={reading.put}
              onDraw={(box) => {
                reading.add(box);
                setTool('pan');
              }}
              onReset={reset}
            />
          )}
          {problem !== null && (
            <ProblemCard
              key={study.id}
              problem={problem}
              asked={study.asked}
              onAsk={(asked) =>
                props.serviceProblem !== null
                  ? props.onRetry()
                  : dispatch({ type: 'asked-again', id: study.id, asked })
              }
              onKey={props.onKey}
            />
          )}
          {problem === null && report === null && (
            <p className="working">{study.stage === 'waiting' ? 'Waiting …' : 'Analysing …'}</p>
          )}
        </div>
      </main>
      <aside ref={panel} className="panel" aria-label="Result">
        {report === null ? (
          <p className="hint">{problem === null ? 'Analysing …' : problem.title}</p>
        ) : (
          <Panel
            study={study}
            report={report}
            reading={reading}
            models={models}
            setting={setting}
            onSetting={props.onSetting}
            maps={maps}
            map={map}
            heat={heat}
            onHeat={setHeat}
            noFeedback={props.noFeedback}
            onSend={send}
            onDownload={(what) => void download(what)}
          />
        )}
      </aside>
      <p className="for-screen-readers" role="status">
        {report === null ? '' : `${study.file.name}: ${summaryOf(reading.marks)}`}
      </p>
    </>
  );
}

/** The setting with a threshold of its own, which begins at a half. */
function stepped(setting: Setting, by: number): Setting {
  const score = Math.round(((setting.score ?? 0.5) + by) * 100) / 100;
  return { point: setting.point, score: Math.min(Math.max(score, THRESHOLD_STEP), 1) };
}
