/** What the service answers and takes: the same names as in `api/schemas.py`. */

export type Tier = 'sure' | 'doubtful';
export type RadiographKind = 'chest' | 'bone';
export type Labelled = Readonly<Record<string, number>>;

export interface WireBox {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
}

export interface FoundBox {
  readonly box: WireBox;
  readonly label: string;
  readonly score: number;
  readonly probabilities: Labelled;
  readonly raw_probabilities: Labelled | null;
  readonly threshold: number;
  readonly tier: Tier;
  readonly model: string;
}

export interface ImageClassification {
  readonly model: string;
  readonly probabilities: Labelled;
  readonly raw_probabilities: Labelled;
  readonly thresholds: Labelled;
  readonly verdicts: Readonly<Record<string, boolean>>;
}

export interface Flag {
  readonly kind:
    'no-box' | 'box-without-image-finding' | 'kind-contradicted' | 'out-of-distribution';
  readonly message: string;
  readonly models: readonly string[];
  readonly label?: string | null;
  readonly figures?: Labelled;
}

export interface HeatMap {
  readonly model: string;
  readonly label: string;
  readonly png: string;
  readonly any_heat: boolean;
}

export interface RouteTaken {
  readonly kind: RadiographKind;
  readonly basis: 'tags' | 'pixels' | 'colour' | 'asked';
  readonly probability: number | null;
  readonly contradicted: boolean;
}

export interface ModelUsed {
  readonly name: string;
  readonly task: string;
  readonly digest: string;
  readonly created: string;
  readonly calibrated: boolean;
  readonly licence: string;
  readonly commercial_use: boolean;
  readonly intended_use: string;
}

export interface ImageFacts {
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly sha256: string;
  readonly kind: string;
  readonly body_part: RadiographKind | null;
}

export interface Report {
  readonly id: string;
  readonly image: ImageFacts;
  readonly route: RouteTaken | null;
  readonly findings: readonly FoundBox[];
  readonly classifications: readonly ImageClassification[];
  readonly flags: readonly Flag[];
  readonly heatmaps: readonly HeatMap[] | null;
  readonly models: readonly ModelUsed[];
  readonly left_out: readonly { model: string; kinds: readonly RadiographKind[] }[];
  readonly lucency_version: string;
  readonly timings_ms: { total: number; decode: number; models: Labelled };
  readonly notice: string;
}

export interface Fusion {
  readonly classifier: string;
  readonly classifier_sha256: string;
  readonly label: string;
  readonly image_high: number;
  readonly image_low: number;
}

export interface ModelFacts {
  readonly name: string;
  readonly task: string;
  readonly role: string;
  readonly kinds: readonly RadiographKind[];
  readonly class_names: readonly string[];
  readonly exclusive: boolean;
  readonly fusion: Fusion | null;
  readonly operating_points: Readonly<Record<string, Labelled>>;
  readonly default_operating_point: string;
  readonly intended_use: string;
}

export type Action = 'accept' | 'reject' | 'move' | 'add';

export interface FeedbackBox {
  readonly action: Action;
  readonly label: string;
  readonly box: WireBox;
  /** Of a moved box: where the model had it. */
  readonly proposed: WireBox | null;
  readonly finding: number | null;
  readonly model: string | null;
  readonly score: number | null;
}

export interface Feedback {
  readonly report_id: string;
  readonly image: { sha256: string; width: number; height: number; kind: string };
  readonly boxes: readonly FeedbackBox[];
  readonly comment: string;
}
