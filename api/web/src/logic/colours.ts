/** One colour a class, each clear of grey images and of the dark line that is drawn around it. */

import type { ModelFacts } from './wire';

const PALETTE = ['#ffb454', '#5ccfe6', '#a6e06a', '#f28fd0', '#c3a6ff', '#ffe066'];

/** The colour of a label: by its place among all labels of detectors, then by the reader's own. */
export function colourOf(label: string, labels: readonly string[]): string {
  const at = labels.indexOf(label);
  return PALETTE[(at < 0 ? labels.length : at) % PALETTE.length]!;
}

/** The labels that detectors know, in order, without repetition. */
export function detectorLabels(models: readonly ModelFacts[]): string[] {
  const detectors = models.filter((model) => model.task === 'detection');
  return [...new Set(detectors.flatMap((model) => model.class_names))];
}

/** The labels that a reader may give to a new box: those of detectors, then of classifiers. */
export function choosableLabels(models: readonly ModelFacts[]): string[] {
  const classifiers = models.filter(
    (model) => model.task !== 'detection' && model.role !== 'router',
  );
  const others = classifiers.flatMap((model) => model.class_names);
  return [...new Set([...detectorLabels(models), ...others])];
}
