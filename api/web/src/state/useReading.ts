import { useEffect, useMemo, useState, type Dispatch } from 'react';
import { choosableLabels, detectorLabels } from '../logic/colours';
import { flagsAt } from '../logic/flags';
import { directionOf } from '../logic/keys';
import { moved, resized, type Size } from '../logic/geometry';
import { marksOf, neighbour, type Mark } from '../logic/marks';
import {
  changedAdded,
  decided,
  replaced,
  restDecided,
  withAdded,
  withoutAdded,
  NO_REVIEW,
  type Review,
} from '../logic/review';
import type { Setting } from '../logic/thresholds';
import type { Flag, ModelFacts, Report, WireBox } from '../logic/wire';
import type { Event, Study } from './studies';

const NO_MARKS: readonly Mark[] = [];
const NO_FLAGS: readonly Flag[] = [];

/** The boxes of the selected study, which of them is selected, and what the reader does to them. */
export function useReading(
  study: Study | null,
  models: readonly ModelFacts[],
  setting: Setting,
  dispatch: Dispatch<Event>,
) {
  const report: Report | null = study?.analysis?.report ?? null;
  const review = study?.review ?? NO_REVIEW;
  const id = study?.id ?? null;
  const marks = useMemo(
    () => (report === null ? NO_MARKS : marksOf(report, models, setting, review)),
    [report, models, setting, review],
  );
  const flags = useMemo(
    () => (report === null ? NO_FLAGS : flagsAt(report, models, marks)),
    [report, models, marks],
  );
  const labels = useMemo(() => detectorLabels(models), [models]);
  const choosable = useMemo(() => choosableLabels(models), [models]);
  const [selected, setSelected] = useState<string | null>(null);
  const [hovered, setHovered] = useState<string | null>(null);
  const [editing, setEditing] = useState(false);
  const current = marks.find((mark) => mark.key === selected) ?? null;

  useEffect(() => {
    setSelected(null);
    setHovered(null);
    setEditing(false);
  }, [id, report]);

  const change = (next: Review) => {
    if (id !== null && next !== review) dispatch({ type: 'reviewed', id, review: next });
  };
  const select = (key: string | null) => {
    setSelected(key);
    if (key !== selected) setEditing(false);
  };
  const place = (mark: Mark, box: WireBox) => {
    change(
      mark.finding === null
        ? changedAdded(review, mark.key, { box })
        : replaced(review, mark.finding, box),
    );
  };

  return {
    report,
    review,
    marks,
    flags,
    labels,
    choosable,
    selected: current?.key ?? null,
    hovered,
    edited: editing ? (current?.key ?? null) : null,
    select,
    hover: setHovered,
    step: (by: 1 | -1) => select(neighbour(marks, selected, by)),
    decide: (mark: Mark | null, action: 'accept' | 'reject') => {
      if (mark === null) return;
      if (mark.finding !== null) change(decided(review, mark.finding, action));
      else if (action === 'reject') change(withoutAdded(review, mark.key));
    },
    decideRest: (action: 'accept' | 'reject') => {
      const findings = marks.flatMap((mark) => mark.finding ?? []);
      change(restDecided(review, findings, action));
    },
    current,
    edit: (key: string | null) => {
      if (key === null) return;
      setEditing(!(editing && key === selected));
      setSelected(key);
    },
    stopEditing: () => setEditing(false),
    put: (key: string, box: WireBox) => {
      const mark = marks.find((one) => one.key === key);
      if (mark !== undefined) place(mark, box);
    },
    add: (box: WireBox) => {
      const label = review.added.at(-1)?.label ?? choosable[0] ?? 'finding';
      const [next, key] = withAdded(review, label, box);
      change(next);
      setSelected(key);
      setEditing(true);
    },
    relabel: (key: string, label: string) => change(changedAdded(review, key, { label })),
    remove: (key: string | null) => {
      if (key !== null && review.added.some((one) => one.key === key)) {
        change(withoutAdded(review, key));
      }
    },
    nothing: (nothing: boolean) => change({ ...review, nothing }),
    comment: (comment: string) => change({ ...review, comment }),
    /** An arrow key moves the edited box, with Shift its lower right corner; tells if it did. */
    nudge: (key: string, shift: boolean): boolean => {
      const direction = directionOf(key);
      if (direction === null || !editing || current === null || report === null) return false;
      const image: Size = report.image;
      const step = Math.max(1, Math.round(Math.min(image.width, image.height) / 200));
      const [dx, dy] = [direction[0] * step, direction[1] * step];
      place(
        current,
        shift ? resized(current.box, 'se', dx, dy, image) : moved(current.box, dx, dy, image),
      );
      return true;
    },
  };
}

export type Reading = ReturnType<typeof useReading>;
