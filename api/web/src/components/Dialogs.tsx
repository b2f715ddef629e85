import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { KEY_HELP } from '../logic/keys';

/** A dialog of the browser: it keeps the focus, and Escape closes it. */
function Dialog(props: { title: string; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current!.showModal();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={props.onClose}>
      <h2 id="dialog-title">{props.title}</h2>
      {props.children}
    </dialog>
  );
}

interface HelpProps {
  /** Whether single keys do anything; people who speak to their computer switch them off. */
  readonly keys: boolean;
  readonly onKeys: (keys: boolean) => void;
  readonly onClose: () => void;
}

export function HelpDialog({ keys, onKeys, onClose }: HelpProps) {
  return (
    <Dialog title="Keys and mouse" onClose={onClose}>
      <div className="key-groups">
        {KEY_HELP.map((group) => (
          <section key={group.title}>
            <h3>{group.title}</h3>
            <dl>
              {group.keys.map(([names, meaning]) => (
                <div key={names}>
                  <dt>
                    {names.split(' ').map((name) => (
                      <kbd key={name}>{name}</kbd>
                    ))}
                  </dt>
                  <dd>{meaning}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p className="hint">
        The wheel zooms, dragging pans; with the right button, sideways is the width of the window
        and up and down its level. A double click resets. Dotted boxes are doubtful, solid ones
        sure.
      </p>
      <div className="buttons">
        <label className="check">
          <input
            type="checkbox"
            checked={keys}
            onChange={(event) => onKeys(event.target.checked)}
          />
          Single keys are on
        </label>
        <a href="docs">Interface for programs</a>
        <form method="dialog">
          <button className="main">Close</button>
        </form>
      </div>
    </Dialog>
  );
}

interface KeyProps {
  /** Whether a key was given already, which the service does not know. */
  readonly refused: boolean;
  readonly onKey: (key: string) => void;
  readonly onClose: () => void;
}

export function KeyDialog({ refused, onKey, onClose }: KeyProps) {
  const [key, setKey] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim() !== '') onKey(key.trim());
  };
  return (
    <Dialog title="The service asks for a key" onClose={onClose}>
      <form onSubmit={submit}>
        {refused && (
          <p className="problem" role="alert">
            The service does not know that key. See whether it is complete.
          </p>
        )}
        <p>Whoever runs this service hands out API keys. Yours is kept until this tab is closed.</p>
        <label className="comment">
          API key
          <input
            type="password"
            autoComplete="off"
            value={key}
            onChange={(event) => setKey(event.target.value)}
          />
        </label>
        <div className="buttons">
          <button type="submit" className="main" disabled={key.trim() === ''}>
            Use this key
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
