/** What a reader makes of the findings: accepted, rejected, moved and added boxes. */

import type { Mark } from './marks';
import type { Feedback, FeedbackBox, Report, WireBox } from './wire';

export type Decision =
  { readonly action: 'accept' | 'reject' } | { readonly action: 'move'; readonly box: WireBox };

export interface AddedBox {
  readonly key: string;
  readonly label: string;
  readonly box: WireBox;
}

/** `decisions` are by the index of the finding in the report. */
export interface Review {
  readonly decisions: Readonly<Record<number, Decision>>;
  readonly added: readonly AddedBox[];
  readonly comment: string;
  /** The reader says that there is nothing to mark, which an empty list of boxes means. */
  readonly nothing: boolean;
}

export const NO_REVIEW: Review = { decisions: {}, added: [], comment: '', nothing: false };

/** Accepts or rejects a finding, or takes back what was decided before. */
export function decided(review: Review, finding: number, action: 'accept' | 'reject'): Review {
  const before = review.decisions[finding]?.action;
  const again = before === action || (before === 'move' && action === 'accept');
  const { [finding]: _, ...others } = review.decisions;
  return { ...review, decisions: again ? others : { ...others, [finding]: { action } } };
}

/** A finding gets another place. */
export function replaced(review: Review, finding: number, box: WireBox): Review {
  return { ...review, decisions: { ...review.decisions, [finding]: { action: 'move', box } } };
}

export function withAdded(review: Review, label: string, box: WireBox): [Review, string] {
  const last = review.added.at(-1);
  const key = `new${last === undefined ? 1 : Number(last.key.slice(3)) + 1}`;
  return [{ ...review, added: [...review.added, { key, label, box }] }, key];
}

export function withoutAdded(review: Review, key: string): Review {
  return { ...review, added: review.added.filter((one) => one.key !== key) };
}

export function changedAdded(
  review: Review,
  key: string,
  change: { label?: string; box?: WireBox },
): Review {
  const added = review.added.map((one) => (one.key === key ? { ...one, ...change } : one));
  return { ...review, added };
}

/** How many boxes were accepted, rejected, moved and added. */
export function countsOf(review: Review): Record<FeedbackBox['action'], number> {
  const counts = { accept: 0, reject: 0, move: 0, add: review.added.length };
  for (const decision of Object.values(review.decisions)) counts[decision.action] += 1;
  return counts;
}

/** Accepts or rejects all of these that are not decided yet. */
export function restDecided(
  review: Review,
  findings: readonly number[],
  action: 'accept' | 'reject',
): Review {
  const rest = findings.filter((finding) => review.decisions[finding] === undefined);
  return rest.reduce((sofar, finding) => decided(sofar, finding, action), review);
}

/** Why the review is no word on the whole image yet, null where it is. */
export type Unfinished = 'open' | 'unnamed' | 'unsaid';

export function unfinishedFor(marks: readonly Mark[], review: Review): Unfinished | null {
  if (marks.some((mark) => mark.decision === null)) return 'open';
  if (review.added.some((box) => box.label.trim() === '')) return 'unnamed';
  return isEmpty(marks) && !review.nothing ? 'unsaid' : null;
}

export const isFinished = (marks: readonly Mark[], review: Review): boolean =>
  unfinishedFor(marks, review) === null;

/** Whether no box is left, which may mean that there is nothing to mark. */
export const isEmpty = (marks: readonly Mark[]): boolean =>
  marks.every((mark) => mark.decision === 'reject');

/** The body of `/v1/feedback`: a word on the whole image, so every box that is shown belongs in it. */
export function feedbackOf(report: Report, review: Review): Feedback {
  const { sha256, width, height, kind } = report.image;
  const judged = Object.entries(review.decisions).flatMap(([index, decision]): FeedbackBox[] => {
    const finding = Number(index);
    const found = report.findings[finding];
    if (found === undefined) return [];
    const { label, model, score } = found;
    const about = { label, finding, model, score };
    if (decision.action !== 'move') {
      return [{ action: decision.action, ...about, box: found.box, proposed: null }];
    }
    return [{ action: 'move', ...about, box: decision.box, proposed: found.box }];
  });
  const added = review.added.map(({ label, box }): FeedbackBox => ({
    action: 'add',
    label,
    box,
    proposed: null,
    finding: null,
    model: null,
    score: null,
  }));
  return {
    report_id: report.id,
    image: { sha256, width, height, kind },
    boxes: [...judged, ...added],
    comment: review.comment.trim(),
  };
}
