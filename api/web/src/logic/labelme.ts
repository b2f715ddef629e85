/** The boxes as a labelme document, as `lucency predict --labelme` writes it. */

import type { Mark } from './marks';
import { isFinished, type Review } from './review';
import type { Report, WireBox } from './wire';

const VERSION = '5.7.0';
// A box that the edge of the image cuts down to less than this cannot be corrected by hand.
const LEAST_PX = 1;

/**
 * What is on the image, without what the reader rejected. `lucency collect` takes a document for
 * truth if the flag `reviewed` is set, or if its shapes differ from those under `lucency`. So what
 * the models proposed stands there once the reader is done, whose corrections can then be told;
 * before, all that the document has stands there, and it counts for nothing.
 */
export function labelmeDocument(
  report: Report,
  marks: readonly Mark[],
  review: Review,
  imagePath: string,
): object {
  const reviewed = isFinished(marks, review);
  const digests = new Map(
    report.models.map((model) => [model.name, `${model.name} ${model.digest.slice(0, 12)}`]),
  );
  const kept = marks.filter((mark) => mark.decision !== 'reject' && isThick(mark.box));
  const detectors = report.models.filter((model) => model.task === 'detection');
  return {
    version: VERSION,
    flags: { reviewed },
    shapes: kept.map((mark) => shapeOf(mark, digests)),
    imagePath,
    imageData: null,
    imageHeight: report.image.height,
    imageWidth: report.image.width,
    lucency: {
      prelabelled_by: detectors.map((model) => digests.get(model.name)).join(' + '),
      proposed: reviewed ? proposedBy(report, marks) : kept.map(proposal),
    },
  };
}

function shapeOf(mark: Mark, digests: ReadonlyMap<string, string>): object {
  const { label, box, score } = proposal(mark);
  const [x1, y1, x2, y2] = box;
  const source = mark.model === null ? null : (digests.get(mark.model) ?? mark.model);
  return {
    label,
    points: [
      [x1, y1],
      [x2, y2],
    ],
    group_id: null,
    description: mark.tier ?? '',
    shape_type: 'rectangle',
    flags: {},
    mask: null,
    ...(score === null ? {} : { score, source }),
  };
}

/** The boxes of the models that the reader judged, rejected ones too, where the models had them. */
function proposedBy(report: Report, marks: readonly Mark[]): object[] {
  return marks
    .flatMap((mark) => (mark.finding === null ? [] : (report.findings[mark.finding] ?? [])))
    .filter((found) => isThick(found.box))
    .map(proposal);
}

function proposal({ label, box, score }: Pick<Mark, 'label' | 'box' | 'score'>) {
  return {
    // A box whose label is still being written.
    label: label.trim() || 'finding',
    box: [box.x1, box.y1, box.x2, box.y2].map((value) => rounded(value, 2)),
    score: score === null ? null : rounded(score, 4),
  };
}

const isThick = (box: WireBox): boolean => Math.min(box.x2 - box.x1, box.y2 - box.y1) >= LEAST_PX;

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

/** The file's name with another ending. */
export function renamed(name: string, ending: string): string {
  return `${name.replace(/\.[^.]*$/, '') || 'radiograph'}${ending}`;
}
