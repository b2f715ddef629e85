/** Thresholds in the page: what a new request would apply, worked out from `/v1/models`. */

import type { FoundBox, ImageClassification, Labelled, ModelFacts, Tier } from './wire';

/** A named operating point; `score`, where it is not null, replaces the thresholds of boxes. */
export interface Setting {
  readonly point: string;
  readonly score: number | null;
}

const KNOWN_POINTS = ['screening', 'balanced', 'specific'];
const SURE_POINT = 'specific';
/** So low boxes are asked for once; from there on the page filters. */
const LEAST_SCORE = 0.01;

/** The names of all operating points of the models, the usual three first. */
export function pointsOf(models: readonly ModelFacts[]): string[] {
  const names = new Set(models.flatMap((model) => Object.keys(model.operating_points)));
  const others = [...names].filter((name) => !KNOWN_POINTS.includes(name)).sort();
  return [...KNOWN_POINTS.filter((name) => names.has(name)), ...others];
}

/** The point at which a page opens: the default of the models that find something. */
export function firstPoint(models: readonly ModelFacts[]): string {
  const finding = models.filter((model) => model.role !== 'router');
  return finding[0]?.default_operating_point ?? 'balanced';
}

/** The threshold to ask with, so that no box of any operating point is missing. */
export function askedScore(models: readonly ModelFacts[]): number {
  const lowest = models
    .filter((model) => model.task === 'detection')
    .flatMap((model) => Object.values(model.operating_points))
    .flatMap((thresholds) => Object.values(thresholds));
  return Math.min(LEAST_SCORE, ...lowest);
}

/**
 * The thresholds of a model at a point, or at its own default where it has none of that name. An
 * ensemble is named after its members, `a + b`; its thresholds are their means. Null: not known.
 */
export function thresholdsAt(
  models: readonly ModelFacts[],
  name: string,
  point: string,
): Labelled | null {
  const members = membersOf(models, name).map(
    (model) =>
      model.operating_points[point] ?? model.operating_points[model.default_operating_point],
  );
  const first = members[0];
  if (first === undefined) return null;
  const mean = (label: string) =>
    members.reduce((sum, values) => sum + (values?.[label] ?? 0), 0) / members.length;
  return Object.fromEntries(Object.keys(first).map((label) => [label, mean(label)]));
}

function membersOf(models: readonly ModelFacts[], name: string): ModelFacts[] {
  const alone = models.filter((model) => model.name === name);
  if (alone.length > 0) return alone;
  const parts = name.split(' + ');
  const found = models.filter((model) => parts.includes(model.name));
  return found.length === parts.length ? found : [];
}

/** The threshold that a box has to reach. */
export function boxThreshold(
  found: Pick<FoundBox, 'label' | 'model' | 'threshold'>,
  models: readonly ModelFacts[],
  setting: Setting,
): number {
  if (setting.score !== null) return setting.score;
  return thresholdsAt(models, found.model, setting.point)?.[found.label] ?? found.threshold;
}

export function isShown(found: FoundBox, models: readonly ModelFacts[], setting: Setting): boolean {
  return found.score >= boxThreshold(found, models, setting);
}

/** Sure at the point `specific`, else doubtful, whatever the threshold is. */
export function tierOf(found: FoundBox, models: readonly ModelFacts[]): Tier {
  const threshold = thresholdsAt(models, found.model, SURE_POINT)?.[found.label];
  if (threshold === undefined) return found.tier;
  return found.score >= threshold ? 'sure' : 'doubtful';
}

/** The thresholds of boxes of the detectors that saw the image: one entry a label and model. */
export function boxThresholds(
  detectors: readonly string[],
  models: readonly ModelFacts[],
  setting: Setting,
): { model: string; label: string; threshold: number }[] {
  return detectors.flatMap((model) =>
    Object.entries(thresholdsAt(models, model, setting.point) ?? {}).map(([label, threshold]) => ({
      model,
      label,
      threshold: setting.score ?? threshold,
    })),
  );
}

export interface Verdict {
  readonly label: string;
  readonly probability: number;
  readonly threshold: number;
  readonly positive: boolean;
}

/** What a classifier says at a point; of labels that exclude each other only the likeliest can hold. */
export function verdictsAt(
  answer: ImageClassification,
  models: readonly ModelFacts[],
  point: string,
): Verdict[] {
  const thresholds = thresholdsAt(models, answer.model, point) ?? answer.thresholds;
  const exclusive = models.some((model) => model.name === answer.model && model.exclusive);
  const most = Math.max(...Object.values(answer.probabilities));
  return Object.entries(answer.probabilities).map(([label, probability]) => {
    const threshold = thresholds[label] ?? answer.thresholds[label] ?? 1;
    const positive = probability >= threshold && (!exclusive || probability === most);
    return { label, probability, threshold, positive };
  });
}
