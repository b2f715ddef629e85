import { useCallback, useLayoutEffect, useState } from 'react';

export type Theme = 'dark' | 'light';

/** A choice that outlives the visit, as far as the browser stores anything. */
function useStored<T extends string>(name: string, first: T, known: readonly T[]) {
  const [value, setValue] = useState<T>(() => {
    const stored = read(localStorage, name);
    return known.find((one) => one === stored) ?? first;
  });
  const choose = useCallback(
    (next: T) => {
      write(localStorage, name, next);
      setValue(next);
    },
    [name],
  );
  return [value, choose] as const;
}

export function useTheme(): readonly [Theme, (theme: Theme) => void] {
  const [theme, choose] = useStored<Theme>('lucency-theme', 'dark', ['dark', 'light']);
  useLayoutEffect(() => {
    document.documentElement.dataset['theme'] = theme;
  }, [theme]);
  return [theme, choose];
}

/** Whether single keys are commands. */
export function useKeysOn(): readonly [boolean, (on: boolean) => void] {
  const [keys, choose] = useStored<'on' | 'off'>('lucency-keys', 'on', ['on', 'off']);
  return [keys === 'on', (on) => choose(on ? 'on' : 'off')];
}

const KEY = 'lucency-api-key';

/** The API key of this tab. */
export const storedKey = (): string | null => read(sessionStorage, KEY);
export const storeKey = (key: string): void => write(sessionStorage, KEY, key);

// Browsers may forbid storage; the page then works without.
function read(storage: Storage, name: string): string | null {
  try {
    return storage.getItem(name);
  } catch {
    return null;
  }
}

function write(storage: Storage, name: string, value: string): void {
  try {
    storage.setItem(name, value);
  } catch {
    // Nothing to do: the choice holds until the page is closed.
  }
}
