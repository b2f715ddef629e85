import type { FoundBox, ModelFacts, Report } from '../src/logic/wire';

export const BOX = { x1: 10, y1: 20, x2: 50, y2: 80 };

export const FRACTURE: ModelFacts = {
  name: 'fracture',
  task: 'detection',
  role: 'findings',
  kinds: ['bone'],
  class_names: ['fractured', 'lesion'],
  exclusive: false,
  fusion: null,
  operating_points: {
    specific: { fractured: 0.6, lesion: 0.9 },
    screening: { fractured: 0.1, lesion: 0.2 },
    balanced: { fractured: 0.3, lesion: 0.5 },
  },
  default_operating_point: 'balanced',
  intended_use: 'Tests.',
};

export const TB: ModelFacts = {
  ...FRACTURE,
  name: 'tb',
  task: 'classification',
  kinds: ['chest'],
  class_names: ['tb', 'other'],
  operating_points: { balanced: { tb: 0.4, other: 0.4 }, specific: { tb: 0.8, other: 0.8 } },
};

export function found(score: number, label = 'fractured', model = 'fracture'): FoundBox {
  return {
    box: BOX,
    label,
    score,
    probabilities: { [label]: score },
    raw_probabilities: null,
    threshold: 0.01,
    tier: 'doubtful',
    model,
  };
}

export function report(change: Partial<Report> = {}): Report {
  return {
    id: 'abc',
    image: { width: 200, height: 100, bits: 8, sha256: 'f00', kind: 'png', body_part: 'bone' },
    route: null,
    findings: [found(0.7), found(0.4), found(0.45, 'lesion')],
    classifications: [],
    flags: [],
    heatmaps: null,
    models: [
      {
        name: 'fracture',
        task: 'detection',
        digest: 'd1',
        created: '2025-01-01T00:00:00Z',
        calibrated: true,
        licence: 'AGPL-3.0-or-later',
        commercial_use: true,
        intended_use: 'Tests.',
      },
    ],
    left_out: [],
    lucency_version: '0.1.0',
    timings_ms: { total: 1, decode: 0, models: {} },
    notice: 'For research use only.',
    ...change,
  };
}
