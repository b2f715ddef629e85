/** The boxes as a labelme document. */

import type { Mark } from './marks';
import type { Report } from './wire';

const VERSION = '5.7.0';

/**
 * What is on the image, without what the reader rejected. The flag `reviewed` is set once something
 * was decided or added: `lucency collect` leaves mere proposals of a model out.
 */
export function labelmeDocument(report: Report, marks: readonly Mark[], imagePath: string): object {
  const shapes = marks
    .filter((mark) => mark.decision !== 'reject')
    .map((mark) => ({
      label: mark.label,
      points: [
        [mark.box.x1, mark.box.y1],
        [mark.box.x2, mark.box.y2],
      ],
      group_id: null,
      description: mark.tier ?? '',
      shape_type: 'rectangle',
      flags: {},
      mask: null,
      ...(mark.score === null ? {} : { score: mark.score, source: mark.model }),
    }));
  return {
    version: VERSION,
    flags: { reviewed: marks.some((mark) => mark.decision !== null) },
    shapes,
    imagePath,
    imageData: null,
    imageHeight: report.image.height,
    imageWidth: report.image.width,
  };
}

/** The file's name with another ending. */
export function renamed(name: string, ending: string): string {
  return `${name.replace(/\.[^.]*$/, '') || 'radiograph'}${ending}`;
}
