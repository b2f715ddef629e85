/** Reasons to look twice, at the thresholds of the page. */

import type { Mark } from './marks';
import type { Flag, ModelFacts, Report } from './wire';

const OF_BOXES: readonly Flag['kind'][] = ['no-box', 'box-without-image-finding'];

/**
 * The flags of the answer; those that depend on which boxes are shown are worked out anew, since
 * the answer was asked for with a threshold that shows nearly all.
 */
export function flagsAt(
  report: Report,
  models: readonly ModelFacts[],
  marks: readonly Mark[],
): Flag[] {
  const others = report.flags.filter((flag) => !OF_BOXES.includes(flag.kind));
  return [...others, ...models.flatMap((model) => contradiction(model, report, marks))];
}

function contradiction(model: ModelFacts, report: Report, marks: readonly Mark[]): Flag[] {
  const { fusion } = model;
  const used = report.models.some((one) => one.name === model.name);
  if (fusion === null || !used) return [];
  // The classifier is known by its digest: a bundle may stand under another name.
  const name = report.models.find((one) => one.digest === fusion.classifier_sha256)?.name;
  const answer = report.classifications.find((one) => one.model === (name ?? fusion.classifier));
  const probability = answer?.probabilities[fusion.label];
  if (answer === undefined || probability === undefined) return [];
  const boxes = marks.filter((mark) => mark.model === model.name);
  const models = [model.name, answer.model];
  if (probability >= fusion.image_high && boxes.length === 0) {
    const message = `${answer.model} gives ${fusion.label} ${probability.toFixed(2)}, and ${model.name} has no box at this threshold.`;
    return [{ kind: 'no-box', message, models, label: fusion.label }];
  }
  if (probability < fusion.image_low && boxes.length > 0) {
    const message = `${model.name} has a box, and ${answer.model} gives ${fusion.label} only ${probability.toFixed(2)}.`;
    return [{ kind: 'box-without-image-finding', message, models, label: fusion.label }];
  }
  return [];
}

export const FLAG_TITLES: Readonly<Record<Flag['kind'], string>> = {
  'no-box': 'Image and boxes disagree',
  'box-without-image-finding': 'Image and boxes disagree',
  'kind-contradicted': 'Kind of radiograph in doubt',
  'out-of-distribution': 'Unlike the images learnt from',
};
