import { FLAG_TITLES } from '../logic/flags';
import type { Flag } from '../logic/wire';
import { Icon } from './icons';

/** Reasons to look twice. */
export function FlagList({ flags }: { flags: readonly Flag[] }) {
  if (flags.length === 0) return null;
  return (
    <ul className="flags" aria-label="Reasons to look twice">
      {flags.map((flag) => (
        <li key={`${flag.kind} ${flag.models.join()} ${flag.label ?? ''}`}>
          <Icon name="warning" />
          <div>
            <strong>{FLAG_TITLES[flag.kind] ?? flag.kind}</strong>
            <p>{flag.message}</p>
          </div>
        </li>
      ))}
    </ul>
  );
}
