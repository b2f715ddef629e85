import type { ReactNode } from 'react';

const PATHS = {
  add: <path d="M12 5v14M5 12h14" />,
  in: <path d="M11 8v6M8 11h6M16 16l4 4M18 11a7 7 0 1 1-14 0 7 7 0 0 1 14 0Z" />,
  out: <path d="M8 11h6M16 16l4 4M18 11a7 7 0 1 1-14 0 7 7 0 0 1 14 0Z" />,
  fit: <path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5" />,
  actual: <path d="M6 8l2-1.5V17M16 8l2-1.5V17M12 10v.5M12 14v.5" />,
  hand: <path d="M12 3v18M3 12h18M9 6l3-3 3 3M9 18l3 3 3-3M6 9l-3 3 3 3M18 9l3 3-3 3" />,
  window: (
    <>
      <circle cx="12" cy="12" r="8" />
      <path d="M12 4a8 8 0 0 1 0 16Z" fill="currentColor" />
    </>
  ),
  invert: (
    <>
      <rect x="4" y="5" width="16" height="14" rx="1.5" />
      <path d="M4 19 20 5v14Z" fill="currentColor" />
    </>
  ),
  draw: <path d="M4 14V4h12v6M17 14v7M13.500 17.500h7" />,
  reset: <path d="M5 6v4h4M5.500 10a7.500 7.500 0 1 1-1 4" />,
  heat: (
    <path d="M12 3c1 4 5 5.500 5 11a5 5 0 0 1-10 0c0-2.500 1.500-3.500 2-6 1.500.800 2 2 2 3 1-1.500 1.500-4.500 1-8Z" />
  ),
  accept: <path d="M5 12.500l4.500 4.500L19 7.500" />,
  reject: <path d="M6 6l12 12M18 6 6 18" />,
  move: <path d="M4 20l1-4.500L16.500 4 20 7.500 8.500 19ZM14 6.500l3.500 3.500" />,
  remove: <path d="M5 7h14M10 7V4.500h4V7M7 7l1 12.500h8L17 7" />,
  sun: (
    <>
      <circle cx="12" cy="12" r="4" />
      <path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.600 5.600 7 7M17 17l1.400 1.400M18.400 5.600 17 7M7 17l-1.400 1.400" />
    </>
  ),
  moon: <path d="M19 14.500A7.500 7.500 0 0 1 9.500 5a7.500 7.500 0 1 0 9.500 9.500Z" />,
  help: <path d="M9 9.500a3 3 0 1 1 4.500 2.600c-1 .600-1.500 1.200-1.500 2.400M12 18v.200" />,
  warning: <path d="M12 4 3 19.500h18ZM12 10v4.500M12 17v.200" />,
  download: <path d="M12 4v11M7 11l5 5 5-5M5 20h14" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof PATHS;

/** A line drawing that says nothing to screen readers: the control around it is named. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {PATHS[name]}
    </svg>
  );
}
