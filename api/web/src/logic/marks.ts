/** The boxes on the image: findings that are shown, with the reader's decisions, and added boxes. */

import { isShown, tierOf, type Setting } from './thresholds';
import type { Decision, Review } from './review';
import type { ModelFacts, Report, Tier, WireBox } from './wire';

export interface Mark {
  readonly key: string;
  /** Index in the report, null for a box that the reader added. */
  readonly finding: number | null;
  readonly label: string;
  readonly box: WireBox;
  readonly score: number | null;
  readonly tier: Tier | null;
  readonly model: string | null;
  readonly decision: Decision['action'] | 'add' | null;
}

/** Best first, added boxes last. What was decided stays, even where its score is too low by now. */
export function marksOf(
  report: Report,
  models: readonly ModelFacts[],
  setting: Setting,
  review: Review,
): Mark[] {
  const found = report.findings.flatMap((one, finding): Mark[] => {
    const decision = review.decisions[finding];
    if (decision === undefined && !isShown(one, models, setting)) return [];
    return [
      {
        key: `finding${finding}`,
        finding,
        label: one.label,
        box: decision?.action === 'move' ? decision.box : one.box,
        score: one.score,
        tier: tierOf(one, models),
        model: one.model,
        decision: decision?.action ?? null,
      },
    ];
  });
  const added = review.added.map(({ key, label, box }): Mark => ({
    key,
    finding: null,
    label,
    box,
    score: null,
    tier: null,
    model: null,
    decision: 'add',
  }));
  return [...found, ...added];
}

/** The mark `step` places on, from the first or last where none is selected; null of none. */
export function neighbour(marks: readonly Mark[], key: string | null, step: 1 | -1): string | null {
  if (marks.length === 0) return null;
  const at = marks.findIndex((mark) => mark.key === key);
  const next = at < 0 ? (step === 1 ? 0 : marks.length - 1) : at + step;
  return marks[(next + marks.length) % marks.length]?.key ?? null;
}

/** One sentence for people and screen readers: how many, and how many of them sure. */
export function summaryOf(marks: readonly Mark[]): string {
  const found = marks.filter((mark) => mark.finding !== null);
  if (found.length === 0) return 'No findings at this threshold';
  const sure = found.filter((mark) => mark.tier === 'sure').length;
  const findings = found.length === 1 ? '1 finding' : `${found.length} findings`;
  return `${findings}: ${sure} sure, ${found.length - sure} doubtful`;
}

export const percent = (value: number): string => `${Math.round(value * 100)}%`;

/** A probability with two digits; what is not nothing is not shown as such. */
export function scoreText(value: number): string {
  if (value > 0 && value < 0.005) return '< 0.01';
  if (value < 1 && value > 0.995) return '> 0.99';
  return value.toFixed(2);
}

/** What stands at the box. */
export function captionOf(mark: Mark): string {
  return mark.score === null ? mark.label : `${mark.label} ${scoreText(mark.score)}`;
}
