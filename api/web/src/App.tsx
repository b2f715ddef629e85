import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { HelpDialog, KeyDialog } from './components/Dialogs';
import { IconButton } from './components/IconButton';
import { Icon } from './components/icons';
import { Strip } from './components/Strip';
import { Welcome } from './components/Welcome';
import { Workspace } from './components/Workspace';
import { makeService } from './logic/service';
import { askedScore, firstPoint, type Setting } from './logic/thresholds';
import type { ModelFacts } from './logic/wire';
import { NO_STUDIES, selectedStudy, studiesAfter } from './state/studies';
import { useDrop } from './state/useDrop';
import { useKeyboard } from './state/useKeyboard';
import { useModels } from './state/useModels';
import { storedKey, storeKey, useKeysOn, useTheme } from './state/usePreferences';
import { useQueue } from './state/useQueue';

const NOTICE = 'For research use only. Not a medical device; not for diagnosis.';
const NO_MODELS: readonly ModelFacts[] = [];
const ACCEPTED = 'image/png,image/jpeg,image/tiff,application/dicom,.dcm,.dicom,.ima,*/*';
const NO_FEEDBACK = 'This service keeps no feedback; it was started without a feedback folder.';

export function App() {
  const [theme, setTheme] = useTheme();
  const [keysOn, setKeysOn] = useKeysOn();
  const [dialog, setDialog] = useState<'help' | 'key' | null>(null);
  const [attempt, setAttempt] = useState(0);
  const [studies, dispatch] = useReducer(studiesAfter, NO_STUDIES);
  const [chosen, setChosen] = useState<Setting | null>(null);
  // The service writes into the page whether it keeps feedback.
  const [noFeedback, setNoFeedback] = useState<string | null>(() =>
    document.documentElement.dataset['feedback'] === 'off' ? NO_FEEDBACK : null,
  );
  const service = useMemo(() => makeService(storedKey), []);
  const loaded = useModels(service, attempt);
  const models = loaded.list ?? NO_MODELS;
  const score = loaded.list === null ? null : askedScore(loaded.list);
  const first = useMemo(() => ({ point: firstPoint(models), score: null }), [models]);
  const setting = chosen ?? first;
  useQueue(studies.all, service, score, dispatch);

  useEffect(() => {
    if (loaded.problem?.remedy === 'key') setDialog('key');
  }, [loaded.problem]);

  const input = useRef<HTMLInputElement>(null);
  const add = useCallback((files: readonly File[]) => {
    if (files.length > 0) dispatch({ type: 'added', files });
  }, []);
  const pick = () => input.current?.click();
  const over = useDrop(add);
  const study = selectedStudy(studies);
  const select = useCallback((id: number) => dispatch({ type: 'selected', id }), []);
  const remove = useCallback((id: number) => dispatch({ type: 'removed', id }), []);
  useKeyboard(keysOn && study === null, {
    first: () => false,
    command: (command) => command === 'help' && setDialog('help'),
  });

  const takeKey = (key: string) => {
    storeKey(key);
    setDialog(null);
    setAttempt((count) => count + 1);
    dispatch({ type: 'key-given' });
  };
  const other = theme === 'dark' ? 'light' : 'dark';

  return (
    <div className={study === null ? 'app empty' : 'app'}>
      <header>
        <h1>
          <svg className="logo" viewBox="0 0 24 24" aria-hidden="true">
            <circle cx="12" cy="12" r="9" />
            <circle cx="14.5" cy="10.500" r="3.200" className="spot" />
          </svg>
          Lucency
        </h1>
        <button type="button" onClick={pick}>
          <Icon name="add" /> Add images
        </button>
        <IconButton
          icon={theme === 'dark' ? 'sun' : 'moon'}
          label={`Change to ${other} colours`}
          onClick={() => setTheme(other)}
        />
        <IconButton
          icon="help"
          label="Keys and help"
          shortcut="?"
          onClick={() => setDialog('help')}
        />
        <input
          ref={input}
          type="file"
          multiple
          hidden
          accept={ACCEPTED}
          onChange={(event) => {
            add([...(event.target.files ?? [])]);
            event.target.value = '';
          }}
        />
      </header>
      {study === null ? (
        <main className="stage">
          <Welcome
            models={loaded.list}
            problem={loaded.problem}
            onPick={pick}
            onRetry={() => setAttempt(attempt + 1)}
            onKey={() => setDialog('key')}
          />
        </main>
      ) : (
        <>
          <Strip
            studies={studies.all}
            selected={studies.selected}
            models={models}
            setting={setting}
            serviceProblem={loaded.problem}
            onSelect={select}
            onRemove={remove}
          />
          <Workspace
            study={study}
            service={service}
            models={models}
            setting={setting}
            keysOn={keysOn}
            serviceProblem={loaded.problem}
            onRetry={() => setAttempt(attempt + 1)}
            noFeedback={noFeedback}
            onNoFeedback={setNoFeedback}
            onSetting={setChosen}
            onHelp={() => setDialog('help')}
            onKey={() => setDialog('key')}
            dispatch={dispatch}
          />
        </>
      )}
      <footer>{NOTICE}</footer>
      {over && <div className="drop-over">Drop to analyse</div>}
      {dialog === 'help' && (
        <HelpDialog keys={keysOn} onKeys={setKeysOn} onClose={() => setDialog(null)} />
      )}
      {dialog === 'key' && (
        <KeyDialog refused={storedKey() !== null} onKey={takeKey} onClose={() => setDialog(null)} />
      )}
    </div>
  );
}
