import { heatGradient, heatKey } from '../logic/heat';
import { percent } from '../logic/marks';
import type { HeatMap } from '../logic/wire';

export interface HeatChoice {
  readonly shown: boolean;
  /** Which heat map, null for that of the likeliest label. */
  readonly key: string | null;
  readonly opacity: number;
}

interface Props {
  readonly maps: readonly HeatMap[];
  readonly map: HeatMap | undefined;
  readonly choice: HeatChoice;
  readonly onChoice: (choice: HeatChoice) => void;
}

/** Which heat map lies over the picture, and how strongly. */
export function HeatPanel({ maps, map, choice, onChoice }: Props) {
  if (map === undefined) return null;
  return (
    <section aria-labelledby="heat-title">
      <h2 id="heat-title">Heat map</h2>
      <label className="check">
        <input
          type="checkbox"
          checked={choice.shown}
          onChange={(event) => onChoice({ ...choice, shown: event.target.checked })}
        />
        Show what speaks for
        <select
          aria-label="Label of the heat map"
          value={heatKey(map)}
          onChange={(event) => onChoice({ ...choice, key: event.target.value, shown: true })}
        >
          {maps.map((one) => (
            <option key={heatKey(one)} value={heatKey(one)}>
              {one.label === one.model ? one.label : `${one.label} (${one.model})`}
            </option>
          ))}
        </select>
      </label>
      <div className="slider">
        <label htmlFor="opacity">Opacity</label>
        <output htmlFor="opacity">{percent(choice.opacity)}</output>
        <input
          id="opacity"
          type="range"
          min={0.05}
          max={1}
          step={0.05}
          value={choice.opacity}
          aria-valuetext={percent(choice.opacity)}
          disabled={!choice.shown}
          onChange={(event) => onChoice({ ...choice, opacity: Number(event.target.value) })}
        />
      </div>
      {map.any_heat && (
        <div className="legend">
          <span>little</span>
          <span className="scale" style={{ backgroundImage: heatGradient() }} />
          <span>much</span>
        </div>
      )}
      <p className="hint">
        {map.any_heat
          ? 'What the model reacts to, coarsely; not whether it is right.'
          : `Nothing in the image speaks for ${map.label}.`}
      </p>
    </section>
  );
}
