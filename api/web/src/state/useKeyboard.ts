import { useEffect, useRef } from 'react';
import { commandOf, type Command, type Focus } from '../logic/keys';

/** `first` may take a key press for itself; else what the key means goes to `command`. */
export interface KeyHandlers {
  readonly first: (event: KeyboardEvent) => boolean;
  readonly command: (command: Command) => void;
}

/** Listens to keys on the whole page, unless a dialog is open or they are switched off. */
export function useKeyboard(on: boolean, handlers: KeyHandlers): void {
  const latest = useRef(handlers);
  latest.current = handlers;
  useEffect(() => {
    if (!on) return;
    const pressed = (event: KeyboardEvent) => {
      if (document.querySelector('dialog[open]') !== null) return;
      const focus = focusOf(event.target);
      if (focus === 'text') return;
      if (focus === 'other' && !hasModifier(event) && latest.current.first(event)) {
        event.preventDefault();
        return;
      }
      const command = commandOf(event, focus);
      if (command === null) return;
      event.preventDefault();
      latest.current.command(command);
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, [on]);
}

const hasModifier = (event: KeyboardEvent) => event.ctrlKey || event.metaKey || event.altKey;

const OWN_ARROWS = ['radio', 'range'];
const PRESSED = ['checkbox', 'button', 'submit', 'file'];

function focusOf(target: EventTarget | null): Focus {
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return 'text';
  if (!(target instanceof HTMLInputElement)) return 'other';
  if (OWN_ARROWS.includes(target.type)) return 'arrows';
  return PRESSED.includes(target.type) ? 'other' : 'text';
}
