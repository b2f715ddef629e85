/** The images of this visit, and how far each is. */

import type { Problem } from '../logic/problems';
import { NO_REVIEW, type Review } from '../logic/review';
import { NOTHING_ASKED, type Analysis, type Asked } from '../logic/service';

export type Stage = 'waiting' | 'analysing' | 'done' | 'failed';

/** Whether the review was sent: `id` is that of the stored feedback. */
export type Sending =
  | { readonly stage: 'not-sent' | 'sending' }
  | { readonly stage: 'sent'; readonly id: string }
  | { readonly stage: 'failed'; readonly problem: Problem };

export interface Study {
  readonly id: number;
  readonly file: File;
  readonly stage: Stage;
  readonly asked: Asked;
  /** A small picture as a data address, once the file could be read. */
  readonly thumbnail: string | null;
  readonly analysis: Analysis | null;
  readonly problem: Problem | null;
  readonly review: Review;
  readonly sending: Sending;
}

export interface Studies {
  readonly all: readonly Study[];
  readonly selected: number | null;
  readonly nextId: number;
}

export const NO_STUDIES: Studies = { all: [], selected: null, nextId: 1 };

export type Event =
  | { type: 'added'; files: readonly File[] }
  | { type: 'removed'; id: number }
  | { type: 'selected'; id: number }
  | { type: 'stepped'; by: 1 | -1 }
  | { type: 'begun'; id: number }
  | { type: 'seen'; id: number; thumbnail: string }
  | { type: 'analysed'; id: number; analysis: Analysis }
  | { type: 'failed'; id: number; problem: Problem }
  | { type: 'asked-again'; id: number; asked: Asked }
  | { type: 'key-given' }
  | { type: 'reviewed'; id: number; review: Review }
  | { type: 'sending'; id: number; sending: Sending };

export function studiesAfter(studies: Studies, event: Event): Studies {
  switch (event.type) {
    case 'added':
      return added(studies, event.files);
    case 'removed':
      return removed(studies, event.id);
    case 'selected':
      return { ...studies, selected: event.id };
    case 'stepped':
      return stepped(studies, event.by);
    case 'begun':
      return changed(studies, event.id, { stage: 'analysing', problem: null });
    case 'seen':
      return changed(studies, event.id, { thumbnail: event.thumbnail });
    case 'analysed':
      return changed(studies, event.id, { stage: 'done', analysis: event.analysis });
    case 'failed':
      return changed(studies, event.id, { stage: 'failed', problem: event.problem });
    case 'asked-again':
      return changed(studies, event.id, {
        stage: 'waiting',
        asked: event.asked,
        analysis: null,
        problem: null,
        thumbnail: null,
        review: NO_REVIEW,
        sending: { stage: 'not-sent' },
      });
    case 'key-given':
      return keyGiven(studies);
    case 'reviewed':
      return changed(studies, event.id, {
        review: event.review,
        sending: { stage: 'not-sent' },
      });
    case 'sending':
      return changed(studies, event.id, { sending: event.sending });
  }
}

export function selectedStudy(studies: Studies): Study | null {
  return studies.all.find((study) => study.id === studies.selected) ?? null;
}

function added(studies: Studies, files: readonly File[]): Studies {
  const fresh = files.map((file, index): Study => ({
    id: studies.nextId + index,
    file,
    stage: 'waiting',
    asked: NOTHING_ASKED,
    thumbnail: null,
    analysis: null,
    problem: null,
    review: NO_REVIEW,
    sending: { stage: 'not-sent' },
  }));
  return {
    all: [...studies.all, ...fresh],
    selected: fresh[0]?.id ?? studies.selected,
    nextId: studies.nextId + files.length,
  };
}

function removed(studies: Studies, id: number): Studies {
  const at = studies.all.findIndex((study) => study.id === id);
  const all = studies.all.filter((study) => study.id !== id);
  const heir = all[Math.min(at, all.length - 1)]?.id ?? null;
  return { ...studies, all, selected: studies.selected === id ? heir : studies.selected };
}

function stepped(studies: Studies, by: 1 | -1): Studies {
  const at = studies.all.findIndex((study) => study.id === studies.selected);
  const next = studies.all[at + by];
  return at < 0 || next === undefined ? studies : { ...studies, selected: next.id };
}

function changed(studies: Studies, id: number, change: Partial<Study>): Studies {
  const all = studies.all.map((study) => (study.id === id ? { ...study, ...change } : study));
  return { ...studies, all };
}

/** What failed for want of a key waits again. */
function keyGiven(studies: Studies): Studies {
  const all = studies.all.map((study): Study =>
    study.problem?.remedy === 'key' ? { ...study, stage: 'waiting', problem: null } : study,
  );
  return { ...studies, all };
}
