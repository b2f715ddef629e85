import { Icon, type IconName } from './icons';

interface Props {
  readonly icon: IconName;
  readonly label: string;
  /** The key that does the same, for the tooltip. */
  readonly shortcut?: string;
  /** For a control that stays pressed. */
  readonly pressed?: boolean;
  readonly disabled?: boolean;
  readonly onClick: () => void;
}

/** A square button with a drawing, named for screen readers and in a tooltip. */
export function IconButton({ icon, label, shortcut, pressed, disabled, onClick }: Props) {
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={label}
      aria-pressed={pressed}
      aria-keyshortcuts={shortcut}
      title={shortcut === undefined ? label : `${label} (${shortcut})`}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
